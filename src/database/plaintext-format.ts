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
}

/** The options of an error for a plaintext that opened and is not of its column's type; a parser's own message would quote it. */
export const formatFailure = Object.freeze({ hint: 'It was written as another type: read it with the column type that wrote it.' });
