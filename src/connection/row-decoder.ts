import { laneParsers } from './raw-types.ts';
import type { WireColumn } from './wire.ts';

/** The calls behind `Buffer#toString`, without its checks. */
interface Slices {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
}

const parsers = laneParsers();

const asText = 0;
/** Text that is ASCII whatever the value. */
const asAscii = 1;
const asInteger = 2;
const asBoolean = 3;
const asParsed = 4;

const integers: ReadonlySet<number> = new Set([21, 23, 26]);
/** int8, date, timestamp, timestamptz, numeric, uuid */
const ascii: ReadonlySet<number> = new Set([20, 1082, 1114, 1184, 1700, 2950]);
const boolean = 16;
const letterT = 116;
const minus = 45;
const zero = 48;

/** Reads the rows of one described statement; how each column is read was decided when it was described. */
export class RowDecoder {
  readonly columns: readonly WireColumn[];
  readonly #kinds: Uint8Array;
  readonly #parsers: readonly ((text: string) => unknown)[];

  constructor(columns: readonly WireColumn[]) {
    this.columns = columns;
    this.#kinds = Uint8Array.from(columns, (column) => kindOf(column.type));
    this.#parsers = columns.map((column) => parsers[column.type] ?? ((text) => text));
  }

  /** Reads a RowDescription. Throws a RangeError where it isn't one. */
  static described(buffer: Buffer, start: number, end: number): RowDecoder {
    const columns: WireColumn[] = [];
    let at = start + 2;
    for (let count = buffer.readUInt16BE(start); count > 0; count--) {
      const nameEnd = buffer.indexOf(0, at);
      if (nameEnd === -1 || nameEnd + 19 > end) throw new RangeError('A column description is cut off.');
      columns.push({ name: buffer.toString('utf8', at, nameEnd), type: buffer.readUInt32BE(nameEnd + 7) });
      at = nameEnd + 19;
    }
    return new RowDecoder(columns);
  }

  /** Reads a DataRow; undefined where it isn't one of these columns. */
  row(buffer: Buffer, start: number, end: number): unknown[] | undefined {
    const kinds = this.#kinds;
    const count = kinds.length;
    if (((buffer[start]! << 8) | buffer[start + 1]!) !== count) return undefined;
    const slices = buffer as unknown as Slices;
    const row = new Array<unknown>(count);
    let at = start + 2;
    for (let index = 0; index < count; index++) {
      if (at + 4 > end) return undefined;
      const length = (buffer[at]! << 24) | (buffer[at + 1]! << 16) | (buffer[at + 2]! << 8) | buffer[at + 3]!;
      at += 4;
      if (length === -1) {
        row[index] = null;
        continue;
      }
      const next = at + length;
      if (length < 0 || next > end) return undefined;
      switch (kinds[index]) {
        case asInteger:
          row[index] = integerAt(buffer, at, next);
          break;
        case asBoolean:
          row[index] = length === 1 && buffer[at] === letterT;
          break;
        case asAscii:
          row[index] = slices.latin1Slice(at, next);
          break;
        case asParsed:
          row[index] = this.#parsers[index]!(slices.utf8Slice(at, next));
          break;
        default:
          row[index] = slices.utf8Slice(at, next);
      }
      at = next;
    }
    return at === end ? row : undefined;
  }
}

function kindOf(type: number): number {
  if (integers.has(type)) return asInteger;
  if (type === boolean) return asBoolean;
  if (ascii.has(type)) return asAscii;
  return parsers[type] === undefined ? asText : asParsed;
}

function integerAt(buffer: Buffer, start: number, end: number): number {
  const negative = buffer[start] === minus;
  let value = 0;
  for (let at = negative ? start + 1 : start; at < end; at++) value = value * 10 + buffer[at]! - zero;
  return negative ? -value : value;
}
