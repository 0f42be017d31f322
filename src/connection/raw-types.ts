import { parseArrayLiteral } from './array-literal.ts';
import type { WireColumn } from './wire.ts';

type Parser = (text: string) => unknown;

const keep: Parser = (text) => text;
const toNumber: Parser = (text) => Number(text);
const toDate: Parser = (text) => new Date(text);
const toBoolean: Parser = (text) => text === 't';
const toBytes: Parser = (text) => Buffer.from(text.slice(2), 'hex');
const toJson: Parser = (text) => JSON.parse(text) as unknown;

/** date, timestamp, timestamptz: drizzle maps their text itself, so every lane leaves them as text. */
const dates = [1082, 1114, 1184];
/** Arrays whose text drizzle reads itself: time, date, timestamp, timestamptz, numeric. */
const datesInArrays = [1182, 1115, 1185];

const arraysOf = new Map<number, Parser>([
  [1000, toBoolean],
  [1001, toBytes],
  [1005, toNumber],
  [1007, toNumber],
  [1028, toNumber],
  [1021, toNumber],
  [1022, toNumber],
  [199, toJson],
  [3807, toJson],
  // name, text, varchar, bpchar, int8, uuid, inet, cidr, macaddr, interval, xml: as text
  [1003, keep],
  [1009, keep],
  [1015, keep],
  [1014, keep],
  [1016, keep],
  [2951, keep],
  [1041, keep],
  [651, keep],
  [1040, keep],
  [1187, keep],
  [143, keep],
]);

/**
 * How values are read by PostgreSQL type, as stock drizzle over postgres.js has them: numbers, booleans, JSON and bytes are parsed,
 * dates and times stay text, int8 and numeric stay text because a number can't hold them.
 */
export function laneParsers(): Record<number, Parser> {
  const parsers: Record<number, Parser> = {
    16: toBoolean,
    17: toBytes,
    21: toNumber,
    23: toNumber,
    26: toNumber,
    700: toNumber,
    701: toNumber,
    114: toJson,
    3802: toJson,
  };
  for (const [type, parse] of arraysOf) parsers[type] = (text) => parseArrayLiteral(text, parse);
  return parsers;
}

const revivers = new Map<number, Parser>([
  ...dates.map((type) => [type, toDate] as const),
  ...datesInArrays.map((type) => [type, ((text) => parseArrayLiteral(text, toDate)) as Parser] as const),
  // time[] and numeric[]
  [1183, (text) => parseArrayLiteral(text, keep)],
  [1231, (text) => parseArrayLiteral(text, keep)],
]);

/** Rows of raw SQL: objects by column name, with Dates where postgres.js gives them. Of columns with one name the last one stays. */
export function reviveRows(rows: readonly (readonly unknown[])[], columns: readonly WireColumn[]): Record<string, unknown>[] {
  const revive = columns.map((column) => revivers.get(column.type));
  return rows.map((row) => {
    const object: Record<string, unknown> = {};
    for (let index = 0; index < columns.length; index++) {
      const value = row[index];
      const parse = revive[index];
      const revived = parse !== undefined && typeof value === 'string' ? parse(value) : value;
      const name = columns[index]!.name;
      // A column called __proto__ is a column, not the row's prototype.
      if (name === '__proto__')
        Object.defineProperty(object, name, { value: revived, enumerable: true, configurable: true, writable: true });
      else object[name] = revived;
    }
    return object;
  });
}
