import type { CopyToOptions } from './copy-options.ts';

const newline = 0x0a;
const quote = 0x22;
/** Signature, flags, and the length of what extends the header. */
const binaryHeader = 19;

/** Counts the rows of a COPY as they come, in chunks that end anywhere: a driver need not tell how many there were. */
export class CopyRows {
  readonly #take: (chunk: Uint8Array) => void;
  #rows = 0;
  #quoted = false;
  /** Of a binary COPY: bytes to pass over, fields of the row to come, and bytes of a number that is cut. */
  #skip = binaryHeader - 4;
  #fields = -1;
  #number = 0;
  #numberBytes = 0;
  #inHeader = true;

  constructor({ format = 'csv', header = false }: Pick<CopyToOptions, 'format' | 'header'>) {
    this.#take = format === 'binary' ? (chunk) => this.#binary(chunk) : (chunk) => this.#lines(chunk, format === 'csv');
    if (header) this.#rows = -1;
  }

  /** Whole ones, so far. */
  get count(): number {
    return Math.max(this.#rows, 0);
  }

  add(chunk: Uint8Array): void {
    this.#take(chunk);
  }

  /** Text writes a newline inside a value as `\n`, CSV in quotes; a quote inside those is doubled and so changes nothing. */
  #lines(chunk: Uint8Array, quotes: boolean): void {
    for (const byte of chunk) {
      if (byte === newline && !this.#quoted) this.#rows++;
      else if (byte === quote && quotes) this.#quoted = !this.#quoted;
    }
  }

  #binary(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, chunk.length - at);
        this.#skip -= skipped;
        at += skipped;
      } else this.#digit(chunk[at++]!);
      if (this.#skip === 0 && this.#fields === 0) {
        this.#rows++;
        this.#fields = -1;
      }
    }
  }

  /** One byte of a number: the header's, a row's of its fields (two bytes, -1 at the end), a field's of its bytes (-1 for NULL). */
  #digit(byte: number): void {
    const bytes = this.#inHeader || this.#fields > 0 ? 4 : 2;
    this.#number = this.#number * 256 + byte;
    if (++this.#numberBytes < bytes) return;
    const number = bytes === 4 ? this.#number | 0 : (this.#number << 16) >> 16;
    this.#number = 0;
    this.#numberBytes = 0;
    if (!this.#inHeader && bytes === 2) {
      this.#fields = number;
      return;
    }
    if (!this.#inHeader) this.#fields--;
    this.#inHeader = false;
    this.#skip = Math.max(number, 0);
  }
}
