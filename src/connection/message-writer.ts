const smallest = 16 * 1024;
/** A buffer that had to hold more isn't kept for the next messages. */
const largestKept = 1024 * 1024;
/** Up to this length a loop in JavaScript is faster than a call that encodes. */
const shortText = 48;

/** Builds messages of the frontend protocol, one behind the other, in one buffer that grows. */
export class MessageWriter {
  #buffer = Buffer.allocUnsafeSlow(smallest);
  #length = 0;
  #start = 0;

  get length(): number {
    return this.#length;
  }

  /** Begins a message. */
  begin(type: number): void {
    this.#reserve(headerLength);
    this.#start = this.#length + 1;
    this.#buffer[this.#length] = type;
    this.#length += headerLength;
  }

  /** Ends the message that was begun: its length is known now. */
  end(): void {
    this.#int32At(this.#start, this.#length - this.#start);
  }

  int16(value: number): void {
    this.#reserve(2);
    this.#buffer[this.#length++] = value >> 8;
    this.#buffer[this.#length++] = value;
  }

  int32(value: number): void {
    this.#reserve(4);
    this.#int32At(this.#length, value);
    this.#length += 4;
  }

  /** Bytes that were built before: a whole message, or a part of one. */
  bytes(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#reserve(length);
    if (length <= shortText) {
      const buffer = this.#buffer;
      for (let index = 0, to = this.#length; index < length; index++, to++) buffer[to] = bytes[index]!;
    } else this.#buffer.set(bytes, this.#length);
    this.#length += length;
  }

  /** Text that ends with a NUL. */
  cString(text: string): void {
    this.#text(text);
    this.#reserve(1);
    this.#buffer[this.#length++] = 0;
  }

  /** Text behind its length in bytes. */
  sized(text: string): void {
    this.#reserve(4);
    const start = this.#length;
    this.#length += 4;
    this.#text(text);
    this.#int32At(start, this.#length - start - 4);
  }

  /** What was built so far; it is the caller's until {@link reset}. */
  taken(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** @param reuse whether nobody reads what was taken any more; otherwise the next messages get a buffer of their own */
  reset(reuse: boolean): void {
    this.#length = 0;
    if (!reuse || this.#buffer.length > largestKept) this.#buffer = Buffer.allocUnsafeSlow(smallest);
  }

  #text(text: string): void {
    const { length } = text;
    this.#reserve(length * 3);
    const buffer = this.#buffer;
    let to = this.#length;
    if (length <= shortText) {
      let index = 0;
      for (; index < length; index++) {
        const code = text.charCodeAt(index);
        if (code > 127) break;
        buffer[to++] = code;
      }
      if (index === length) {
        this.#length = to;
        return;
      }
    }
    this.#length += buffer.write(text, this.#length, 'utf8');
  }

  #int32At(at: number, value: number): void {
    const buffer = this.#buffer;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

const headerLength = 5;
