import type { Normaliser } from '../crypto/normaliser.ts';

/** How a column's values become bytes and come back. */
export interface PlaintextFormat<T> {
  /** What a value must be, for the error: `a finite number`. */
  readonly expects: string;
  /** @returns undefined when the value is not of the column's type */
  encode(value: unknown): Buffer | undefined;
  decode(plaintext: Buffer): T;
  /**
   * The bytes that a blind index makes its tag of; undefined when the value is not of the column's type. A format without has no index; one
   * that takes no texts ignores the normaliser.
   */
  indexed?(value: unknown, normalise: Normaliser): Buffer | undefined;
  /** How such values stand in a column that is not encrypted. */
  readonly plain: PlainColumn;
}

/** A column of plaintext values, as it was before they were encrypted. */
export interface PlainColumn {
  /** Its SQL type unless it is told. */
  readonly type: string;
  /** A value as its parameter. */
  toDriver(value: unknown): unknown;
  /** SQL for the bytes that `encode` makes of a value: of the same value the same, so that `decode` reads them. */
  bytesSql(expression: string, type: string): string;
  /** SQL that is false of a value that `bytesSql` can't take, or would change for those who read it exactly. It holds for all unless given. */
  exactSql?(expression: string): string;
}

/** Text in UTF-8, whatever the database's encoding. */
export function textBytesSql(expression: string): string {
  return `pg_catalog.convert_to((${expression})::text, 'UTF8')`;
}

/** The options of an error for a plaintext that opened and is not of its column's type; a parser's own message would quote it. */
export const formatFailure = Object.freeze({ hint: 'It was written as another type: read it with the column type that wrote it.' });
