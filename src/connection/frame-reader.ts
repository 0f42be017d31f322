/** Who is handed the messages of a connection. The buffer is the reader's: what is to be kept must be copied or decoded at once. */
export interface FrameHandler {
  /** One whole message: its type and where its body lies. */
  frame(type: number, buffer: Buffer, start: number, end: number): void;
}

const headerLength = 5;
/** Messages that PostgreSQL itself keeps short, and the most that any message may announce; both as libpq has them. */
const shortLength = 30_000;
const longLength = 0x3fff_ffff;
/** A buffer that had to hold a large message isn't kept for the next one. */
const keptBuffer = 64 * 1024;

/** 0 for what no server sends, otherwise how long the message may be. */
const limits = new Uint32Array(256);
for (const type of 'RKZSCn123sIGHWc') limits[type.charCodeAt(0)] = shortLength;
// A function's parameters are described in 4 bytes each, of which there may be 65,535.
for (const type of 'TDdENAvt') limits[type.charCodeAt(0)] = longLength;

/**
 * Cuts the bytes of a connection into messages, whatever the pieces in which they come. What can't be from a PostgreSQL server ends
 * the reading; memory is taken as bytes arrive, not as a length announces them.
 */
export class FrameReader {
  handler: FrameHandler | undefined;
  readonly #onInvalid: () => void;
  #partial: Buffer = Buffer.alloc(0);
  #filled = 0;
  #stopped = false;

  /** @param onInvalid called once when the bytes can't be PostgreSQL's */
  constructor(onInvalid: () => void) {
    this.#onInvalid = onInvalid;
  }

  /** Nothing is handed on any more. */
  stop(): void {
    this.#stopped = true;
    this.#filled = 0;
    this.#partial = Buffer.alloc(0);
  }

  push(chunk: Buffer): void {
    let offset = this.#filled > 0 ? this.#complete(chunk) : 0;
    const { length } = chunk;
    while (!this.#stopped && offset + headerLength <= length) {
      const total = this.#totalAt(chunk, offset);
      if (total === 0 || offset + total > length) break;
      this.handler?.frame(chunk[offset]!, chunk, offset + headerLength, offset + total);
      offset += total;
    }
    if (!this.#stopped && offset < length) this.#append(chunk, offset, length);
  }

  /** Fills up the message that the chunks before began; returns where the next one begins. */
  #complete(chunk: Buffer): number {
    let offset = 0;
    if (this.#filled < headerLength) {
      offset = Math.min(headerLength - this.#filled, chunk.length);
      this.#append(chunk, 0, offset);
      if (this.#filled < headerLength) return offset;
    }
    const total = this.#totalAt(this.#partial, 0);
    if (total === 0) return chunk.length;
    const end = Math.min(chunk.length, offset + total - this.#filled);
    this.#append(chunk, offset, end);
    if (this.#filled < total) return end;
    this.#filled = 0;
    this.handler?.frame(this.#partial[0]!, this.#partial, headerLength, total);
    if (this.#partial.length > keptBuffer) this.#partial = Buffer.alloc(0);
    return end;
  }

  #append(chunk: Buffer, start: number, end: number): void {
    const needed = this.#filled + end - start;
    if (needed > this.#partial.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#partial.length * 2, 256));
      this.#partial.copy(grown, 0, 0, this.#filled);
      this.#partial = grown;
    }
    chunk.copy(this.#partial, this.#filled, start, end);
    this.#filled = needed;
  }

  /** The length of the message that begins here, its header included; 0 when it is none. */
  #totalAt(buffer: Buffer, offset: number): number {
    const length = ((buffer[offset + 1]! << 24) | (buffer[offset + 2]! << 16) | (buffer[offset + 3]! << 8) | buffer[offset + 4]!) >>> 0;
    if (length >= 4 && length <= limits[buffer[offset]!]!) return length + 1;
    this.stop();
    this.#onInvalid();
    return 0;
  }
}
