import type { ServerError } from './wire.ts';

/** The fields of an ErrorResponse that a lane reads. The others can hold values of rows, and texts. */
const fields: ReadonlyMap<number, keyof ServerError> = new Map(
  Object.entries({
    V: 'severity',
    C: 'code',
    M: 'message',
    R: 'routine',
    s: 'schema_name',
    t: 'table_name',
    c: 'column_name',
    n: 'constraint_name',
  } as const).map(([letter, field]) => [letter.charCodeAt(0), field]),
);

const space = 32;
const zero = 48;
const nine = 57;

/** Reads an ErrorResponse; undefined where it names no SQLSTATE, which no PostgreSQL server leaves out. */
export function readError(buffer: Buffer, start: number, end: number): ServerError | undefined {
  const error: Partial<Record<keyof ServerError, string>> = {};
  for (let at = start; at < end && buffer[at] !== 0; ) {
    const stop = buffer.indexOf(0, at + 1);
    if (stop === -1 || stop >= end) return undefined;
    const field = fields.get(buffer[at]!);
    if (field !== undefined) error[field] = buffer.toString('utf8', at + 1, stop);
    at = stop + 1;
  }
  if (error.code === undefined || !/^[0-9A-Z]{5}$/.test(error.code)) return undefined;
  return { ...error, code: error.code, message: error.message ?? '' };
}

/** Reads a CommandComplete: the tag's words, and the last number behind them. */
export function readTag(buffer: Buffer, start: number, end: number): { readonly command: string; readonly count: number } {
  let wordsEnd = end - 1;
  let count = 0;
  let factor = 1;
  let at = wordsEnd - 1;
  for (; at > start && buffer[at]! >= zero && buffer[at]! <= nine; at--, factor *= 10) count += (buffer[at]! - zero) * factor;
  if (factor > 1 && buffer[at] === space) {
    // INSERT has a second number, which was an oid.
    wordsEnd = at;
    for (at--; at > start && ((buffer[at]! >= zero && buffer[at]! <= nine) || buffer[at] === space); at--)
      if (buffer[at] === space) wordsEnd = at;
  }
  return { command: commandOf(buffer, start, wordsEnd), count };
}

const known = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** The four commands of every day are told apart by their first letter and length; only they have six letters and begin like this. */
function commandOf(buffer: Buffer, start: number, end: number): string {
  if (end - start === 6) {
    for (const command of known) {
      if (
        buffer[start] === command.charCodeAt(0) &&
        buffer[start + 1] === command.charCodeAt(1) &&
        buffer[start + 5] === command.charCodeAt(5)
      )
        return command;
    }
  }
  return buffer.toString('latin1', start, end);
}
