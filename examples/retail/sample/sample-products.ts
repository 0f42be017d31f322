import type { SeededRandom } from './random.ts';

/** A product of the sample; the price is in hundredths. */
export interface SampleProduct {
  readonly code: string;
  readonly description: string;
  readonly price: number;
}

const looks = ['RED', 'BLUE', 'IVORY', 'SMALL', 'LARGE', 'STRIPED', 'SPOTTY', 'VINTAGE', 'WOODEN', 'GLASS', 'FOLDING', 'WOOLLEN'];
const things = [
  'LANTERN',
  'TEAPOT',
  'CUSHION',
  'PICNIC BASKET',
  'CLOCK',
  'DOORMAT',
  'CANDLE',
  'BISCUIT TIN',
  'BIRD HOUSE',
  'NOTEBOOK',
  'UMBRELLA',
  'JUG',
];

/** The catalogue that the sample's invoices are drawn from: invented names, codes of five digits with or without a letter. */
export function sampleProducts(random: SeededRandom): readonly SampleProduct[] {
  const products = looks.flatMap((look, row) =>
    things.map((thing, column) => ({
      code: `${31_000 + row * 100 + column * 7}${(row + column) % 4 === 0 ? 'A' : ''}`,
      description: `${look} ${thing}${(row * 5 + column) % 13 === 0 ? ', SET OF 2' : ''}`,
      price: random.whole(29, 2_495),
    })),
  );
  return [...products, { code: '32999', description: 'RECORD FRAME 7" SIZE', price: 255 }];
}
