import { invoiceHeader } from '../csv/parse-invoice-line.ts';
import { SeededRandom } from './random.ts';
import { type SampleProduct, sampleProducts } from './sample-products.ts';

/** Countries of the sample and how many of a hundred invoices are theirs. Norway has no file in `tenants/`. */
const shares: readonly (readonly [country: string, share: number])[] = [
  ['United Kingdom', 44],
  ['Germany', 12],
  ['France', 10],
  ['EIRE', 8],
  ['USA', 8],
  ['Spain', 6],
  ['Japan', 5],
  ['Australia', 4],
  ['Norway', 3],
];

const days = ['2025-03-03', '2025-03-04', '2025-03-05', '2025-03-06', '2025-03-07'];
const invoicesPerDay = 64;

/** Lines such as every export has some of: none of them can be used. */
const unusable: readonly ((date: string) => string)[] = [
  (date) => `,31007,BLUE TEAPOT,2,${date},4.25,15001,Germany`,
  (date) => `709001,,BLUE TEAPOT,2,${date},4.25,15001,Germany`,
  (date) => `709002,31007,BLUE TEAPOT,a dozen,${date},4.25,15001,Germany`,
  () => '709003,31007,BLUE TEAPOT,2,2025-02-30 10:00:00,4.25,15001,Germany',
  (date) => `709004,31007,BLUE TEAPOT,2,${date},n/a,15001,France`,
  (date) => `709005,31007,BLUE TEAPOT,2,${date},4.25,15001,`,
  (date) => `709006,31007,BLUE TEAPOT,2,${date}`,
  (date) => `709007,31007,"BLUE TEAPOT,2,${date},4.25,15001,EIRE`,
];

/**
 * The sample's invoice files by name: some thousand lines of invented sales with what real files have, too: returns, lines without
 * customer or description, repeated lines, prices of 0, codes that are no products, and a few lines that can't be used. The last day is
 * written with American dates.
 */
export function sampleFiles(seed: number): ReadonlyMap<string, string> {
  const random = new SeededRandom(seed);
  const products = sampleProducts(random);
  let invoice = 700_000;
  return new Map(
    days.map((day, index) => {
      const american = index === days.length - 1;
      const lines: string[] = [];
      for (let i = 0; i < invoicesPerDay; i += 1) {
        invoice += 1;
        lines.push(...invoiceLines(random, products, invoice, stamp(day, 8 * 60 + i * 8 + random.whole(0, 7), american)));
      }
      for (const line of unusable.slice(index * 2, index * 2 + 2))
        lines.splice(random.whole(1, lines.length - 1), 0, line(stamp(day, 720, american)));
      return [`${day}.csv`, `${[invoiceHeader.join(), ...lines].join('\n')}\n`] as const;
    }),
  );
}

function invoiceLines(random: SeededRandom, products: readonly SampleProduct[], invoice: number, date: string): readonly string[] {
  const country = countryOf(random.whole(1, 100));
  const customer = random.chance(0.25) ? '' : `${15_000 + random.whole(1, 400)}.0`;
  const takenBack = random.chance(0.06);
  const write = (code: string, description: string, quantity: number, hundredths: number): string =>
    [takenBack ? `C${invoice}` : invoice, code, quoted(description), quantity, date, price(hundredths), customer, country].join();
  const lines: string[] = [];
  const count = takenBack ? random.whole(1, 3) : random.whole(3, 20);
  for (let i = 0; i < count; i += 1) {
    const product = random.pick(products);
    const poor = random.chance(0.01);
    const code = random.chance(0.02) ? product.code.toLowerCase() : product.code;
    const quantity = takenBack ? -random.whole(1, 6) : poor ? -random.whole(1, 40) : random.whole(1, 24);
    const line = write(code, poor ? '' : product.description, quantity, poor ? 0 : product.price);
    lines.push(line);
    if (random.chance(0.012)) lines.push(line);
  }
  if (random.chance(0.08)) lines.push(write('POST', 'POSTAGE', takenBack ? -1 : 1, random.whole(300, 4_000)));
  if (random.chance(0.03)) lines.push(write('M', 'Manual', takenBack ? -1 : 1, random.whole(100, 9_000)));
  if (takenBack && random.chance(0.3)) lines.push(write('D', 'Discount', -1, random.whole(100, 3_000)));
  return lines;
}

function countryOf(percent: number): string {
  let sum = 0;
  for (const [country, share] of shares) {
    sum += share;
    if (percent <= sum) return country;
  }
  return shares[0]![0];
}

function stamp(day: string, minutes: number, american: boolean): string {
  const [hour, minute] = [Math.floor(minutes / 60), String(minutes % 60).padStart(2, '0')];
  const [year, month, date] = day.split('-').map(Number);
  return american ? `${month}/${date}/${year} ${hour}:${minute}` : `${day} ${String(hour).padStart(2, '0')}:${minute}:00`;
}

function price(hundredths: number): string {
  return `${Math.floor(hundredths / 100)}.${String(hundredths % 100).padStart(2, '0')}`;
}

function quoted(text: string): string {
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
