import { randomBytes, randomUUID } from 'node:crypto';
import type { ProbeColumn } from './probe-facts.ts';

/** What makes one row's values differ from another's. */
export interface ProbeSeed {
  /** Counts rows, from 1. */
  readonly row: number;
  /** Which of the ways to please check constraints is tried, from 0 to {@link probeVariants}. */
  readonly variant: number;
}

/** How many ways there are: texts that checks name, none of what they name, then each number that they name. */
export const probeVariants = 5;

const fixed: Readonly<Record<string, string>> = {
  bool: 'false',
  float4: '1',
  float8: '1',
  money: '1',
  json: '{}',
  jsonb: '{}',
  bytea: '\\x00',
  xml: '<probe/>',
  interval: '1 hour',
  cidr: '192.0.2.0/24',
  macaddr: '02:00:00:00:00:01',
  macaddr8: '02:00:00:ff:fe:00:00:01',
  point: '(0,0)',
  line: '{1,-1,0}',
  lseg: '[(0,0),(1,1)]',
  box: '(1,1),(0,0)',
  path: '[(0,0),(1,1)]',
  polygon: '((0,0),(1,1),(1,0))',
  circle: '<(0,0),1>',
  tsvector: 'probe',
  tsquery: 'probe',
  pg_lsn: '0/1',
  hstore: '',
  ltree: 'probe',
};

/**
 * A value for a column of a synthetic row, as text that PostgreSQL casts to the column's type; undefined where none is known for the type.
 * In keys it is one that no row is likely to have.
 *
 * @example
 * ```ts
 * probeValue({ ...column, base: 'numeric', keyed: false }, { row: 1, variant: 0 }); // '1'
 * ```
 */
export function probeValue(column: ProbeColumn, seed: ProbeSeed): string | undefined {
  const named = namedValue(column, seed.variant);
  if (named !== undefined) return named;
  if (column.category === 'A') return '{}';
  if (column.category === 'R') return 'empty';
  if (column.labels.length > 0) return column.labels[(seed.row - 1) % column.labels.length];
  const [first = 0, second = 0] = column.modifiers;
  switch (column.base) {
    case 'uuid':
      return randomUUID();
    case 'text':
    case 'citext':
    case 'name':
    case 'varchar':
    case 'bpchar':
      return textOf(first, column.keyed, seed.row);
    case 'int2':
      return whole(column.keyed, 32_000, seed.row);
    case 'int4':
    case 'oid':
      return whole(column.keyed, 2_147_000_000, seed.row);
    case 'int8':
      return whole(column.keyed, 9_007_000_000_000_000, seed.row);
    case 'numeric':
      return whole(
        column.keyed,
        first === 0 ? 9_007_000_000_000_000 : Math.min(10 ** (first - second) - 1_000, 9_007_000_000_000_000),
        seed.row,
      );
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      return new Date(Date.now() + seed.row).toISOString();
    case 'time':
    case 'timetz':
      return '12:00:00';
    case 'inet':
      return `192.0.2.${seed.row % 256}`;
    case 'bit':
      return '0'.repeat(Math.max(first, 1));
    case 'varbit':
      return '0';
    case 'vector':
      return `[${Array.from({ length: Math.max(first, 1) }, () => 0).join(',')}]`;
    default:
      return fixed[column.base];
  }
}

function namedValue({ category, texts, numbers }: ProbeColumn, variant: number): string | undefined {
  if (variant === 1) return undefined;
  if (texts.length > 0) return texts[Math.max(variant - 1, 0) % texts.length];
  if (variant === 0 || numbers.length === 0) return undefined;
  const number = Number(numbers[(variant - 2) % numbers.length]);
  // `> 5`, `between 5 and 9` and `= 5` are all pleased by one of two neighbours; a text's number is its length.
  if (category === 'S') return 'A'.repeat(Math.min(Math.max(Math.round(number), 1), 200));
  return String(variant === 2 ? number : number + 1);
}

/** Short texts are common in checks of length, long random ones in no key. */
function textOf(length: number, keyed: boolean, row: number): string {
  const text = keyed ? `p${row}${randomBytes(6).toString('hex')}` : 'probe';
  return length > 0 ? text.slice(0, length) : text;
}

/** Few rows have numbers near the end of their type. */
function whole(keyed: boolean, near: number, row: number): string {
  if (!keyed) return '1';
  return near > 0 ? String(near + row) : String(row % 10);
}
