import { appendFile } from 'node:fs/promises';
import type { Anchor, AnchorSink } from '../audit/anchor-sink.ts';

/**
 * Keeps anchors in a file, a line of JSON each, which `tenancy audit verify --anchors` reads. Opened anew for each, so that it may be
 * rotated; readable by its owner alone. It belongs where the catalog's administrators can't write.
 *
 * @example
 * ```ts
 * const tenancy = await createTenancy({ …, audit: { anchors: [new FileAnchorSink('/var/lib/tenancy/anchors.jsonl')] } });
 * ```
 */
export class FileAnchorSink implements AnchorSink {
  /** `anchors`, whichever file it is. */
  readonly name = 'anchors';
  readonly #path: string;

  /** @param path the file; its directory must be there */
  constructor(path: string) {
    this.#path = path;
  }

  /** Resolves when the line is on disk. */
  async write({ writer, seq, mac, at }: Anchor): Promise<void> {
    await appendFile(this.#path, `${JSON.stringify({ writer, seq, mac, at: at.toISOString() })}\n`, { mode: 0o600, flush: true });
  }

  /** Does nothing: no file is held open. */
  async close(): Promise<void> {}
}
