import { createHash } from 'node:crypto';

/**
 * Gives the lines of one file their identity: invoice, a hash of the content, and how often the file has had this very line before. No
 * file name and no line number, so that a file that is read again, under another name or with other lines around, gives the same keys.
 */
export class LineKeys {
  readonly #seen = new Map<string, number>();

  /** @param content every field of the line, in one fixed order and spelling */
  next(invoiceNo: string, content: readonly (string | number | undefined)[]): string {
    const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 24);
    const base = `${invoiceNo}:${hash}`;
    const repeat = (this.#seen.get(base) ?? 0) + 1;
    this.#seen.set(base, repeat);
    return `${base}:${repeat}`;
  }
}
