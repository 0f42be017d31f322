import { is, Param, Placeholder } from 'drizzle-orm';
import { arrayLiteral } from '../connection/array-literal.ts';
import { NotSupportedError } from '../errors.ts';

/**
 * A value as a literal, for drizzle's `inlineParams()` and for COPY, which takes no parameters.
 *
 * @throws {NotSupportedError} for what is known only when the statement runs: placeholders, tenant ids, encrypted values; for a NUL character
 */
export function inlineLiteral(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'number' || typeof value === 'bigint') return numeral(value);
  if (typeof value === 'string') return quoted(value);
  if (is(value, Placeholder) || is(value, Param)) {
    throw new NotSupportedError("A placeholder can't be written into a statement's text.", { hint: 'Leave out inlineParams().' });
  }
  if (value instanceof Date) return quoted(value.toISOString());
  if (value instanceof Uint8Array) return `${quoted(hex(value))}::bytea`;
  if (Array.isArray(value)) return quoted(arrayLiteral(value, elementText));
  if (typeof value === 'object') {
    // A deferred parameter refuses by itself.
    const text = String(value);
    return quoted(text === '[object Object]' ? JSON.stringify(value) : text);
  }
  throw new NotSupportedError(`A ${typeof value} can't be a value in SQL.`, { hint: 'Give text, a number, a boolean, a date or JSON.' });
}

/** A sign never stands bare: behind a minus it would begin a comment that swallows the rest of the line. */
function numeral(value: number | bigint): string {
  if (typeof value === 'number' && !Number.isFinite(value)) return quoted(String(value));
  return value < 0 ? `(${value})` : String(value);
}

function quoted(text: string): string {
  if (text.includes('\0')) throw new NotSupportedError('A value holds a NUL character, which PostgreSQL’s text can’t.');
  // E'' reads the same whatever standard_conforming_strings says.
  return text.includes('\\') ? ` E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`;
}

function hex(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`;
}

/** An element's text as it stands in `{…}`; NULL where it is none. */
function elementText(element: unknown): string | null {
  if (element === null || element === undefined) return null;
  if (element instanceof Date) return element.toISOString();
  if (element instanceof Uint8Array) return hex(element);
  if (typeof element === 'boolean') return element ? 't' : 'f';
  if (typeof element !== 'object') return String(element);
  const text = String(element);
  return text === '[object Object]' ? JSON.stringify(element) : text;
}
