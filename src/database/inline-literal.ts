import { is, Param, Placeholder } from 'drizzle-orm';
import { NotSupportedError } from '../errors.ts';

/**
 * A value as a literal, for drizzle's `inlineParams()`.
 *
 * @throws {NotSupportedError} for what is known only when the statement runs: placeholders, tenant ids, encrypted values
 */
export function inlineLiteral(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return value.toString();
  if (typeof value === 'string') return quoted(value);
  if (is(value, Placeholder) || is(value, Param)) {
    throw new NotSupportedError("A placeholder can't be written into a statement's text.", { hint: 'Leave out inlineParams().' });
  }
  if (value instanceof Date) return quoted(value.toISOString());
  if (typeof value === 'object') {
    // A deferred parameter refuses by itself.
    const text = String(value);
    return quoted(text === '[object Object]' ? JSON.stringify(value) : text);
  }
  throw new NotSupportedError(`A ${typeof value} can't be a value in SQL.`, { hint: 'Give text, a number, a boolean, a date or JSON.' });
}

function quoted(text: string): string {
  // E'' reads the same whatever standard_conforming_strings says.
  return text.includes('\\') ? ` E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`;
}
