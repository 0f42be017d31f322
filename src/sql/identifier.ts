import { ConfigurationError } from '../errors.ts';

/** PostgreSQL cuts longer names off without an error (NAMEDATALEN − 1), so that two names could become one. */
const maxIdentifierBytes = 63;

/** Half of a pair: no such text reaches PostgreSQL unchanged. */
const loneSurrogate = /\p{Surrogate}/u;

/**
 * Checks that a text can name a PostgreSQL object.
 *
 * @throws {ConfigurationError} when it is empty, holds NUL or is longer than 63 bytes in UTF-8
 */
export function checkIdentifier(name: string): string {
  const bytes = Buffer.byteLength(name, 'utf8');
  if (bytes === 0 || bytes > maxIdentifierBytes || name.includes('\0') || loneSurrogate.test(name)) {
    throw new ConfigurationError(`${JSON.stringify(name.slice(0, maxIdentifierBytes))} can't name a PostgreSQL object.`, {
      hint: `A name has 1 to ${maxIdentifierBytes} bytes and no NUL.`,
    });
  }
  return name;
}

/**
 * Quotes a name for use in SQL, whatever it holds.
 *
 * @throws {ConfigurationError} when it can't be a name, see {@link checkIdentifier}
 * @example
 * ```ts
 * quoteIdentifier('tenant_100'); // "tenant_100"
 * ```
 */
export function quoteIdentifier(name: string): string {
  return `"${checkIdentifier(name).replaceAll('"', '""')}"`;
}

/**
 * Quotes a text as a literal that means the same whatever `standard_conforming_strings` says. Values of statements are never
 * written like this: they travel as parameters.
 *
 * @throws {ConfigurationError} when it holds NUL or half of a surrogate pair, which PostgreSQL's text can't
 * @example
 * ```ts
 * quoteLiteral("o'clock"); // 'o''clock'
 * ```
 */
export function quoteLiteral(value: string): string {
  if (value.includes('\0') || loneSurrogate.test(value)) {
    throw new ConfigurationError('A text with NUL or half of a surrogate pair can’t be written as a literal.', {
      hint: 'PostgreSQL’s text holds neither.',
    });
  }
  const doubled = value.replaceAll("'", "''");
  return value.includes('\\') ? ` E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`;
}
