import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { AuditEvent } from '../audit/audit-event.ts';
import { type AuditWriter, storableWriter } from '../audit/audit-writer.ts';
import { restoredEvent } from '../audit/restored-event.ts';
import { storableEvent } from '../audit/storable-event.ts';

/** What a run of lines of a spool file holds. */
export interface SpoolBatch {
  readonly writers: readonly AuditWriter[];
  readonly events: readonly AuditEvent[];
  /** Where the next line begins, in bytes. */
  readonly next: number;
  /** How many whole lines were none of this format. */
  readonly damaged: number;
}

const storedWriter = z.object({
  id: z.string(),
  provider: z.string(),
  key_ref: z.string(),
  key_version: z.string().nullable(),
  wrapped: z.string(),
  started_at: z.coerce.date(),
});

const chunkSize = 1 << 18;
const lineFeed = 10;

/**
 * An append-only file of audit entries: a line each, the first 16 hexadecimal digits of its SHA-256, a space and JSON. What `append` resolved
 * for is on disk. A last line without its end was never acknowledged and is passed over.
 */
export class SpoolFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #size: number;

  private constructor(path: string, handle: FileHandle, size: number) {
    this.path = path;
    this.#handle = handle;
    this.#size = size;
  }

  /** Makes a new file, readable by its owner alone, that begins with what the writer's entries are checked by. */
  static async create(path: string, writer: AuditWriter): Promise<SpoolFile> {
    const file = new SpoolFile(path, await open(path, 'wx+', 0o600), 0);
    await file.#write(lineOf({ writer: storableWriter(writer) }));
    // The name has to last as well as what is in the file.
    const folder = await open(dirname(path), 'r');
    await folder.sync().finally(() => folder.close());
    return file;
  }

  /** Opens what another process left. */
  static async open(path: string): Promise<SpoolFile> {
    const handle = await open(path, 'r');
    return new SpoolFile(path, handle, (await handle.stat()).size);
  }

  /** How many bytes are acknowledged. */
  get size(): number {
    return this.#size;
  }

  async append(events: readonly AuditEvent[]): Promise<void> {
    await this.#write(events.map((event) => lineOf({ entry: storableEvent(event) })).join(''));
  }

  /** Reads whole lines from a place on: about a quarter of a MiB, more only where one line is longer. */
  async read(from: number): Promise<SpoolBatch> {
    let length = Math.min(chunkSize, this.#size - from);
    for (;;) {
      const { buffer, bytesRead } = await this.#handle.read(Buffer.allocUnsafe(length), 0, length, from);
      const end = buffer.subarray(0, bytesRead).lastIndexOf(lineFeed) + 1;
      if (end > 0 || from + length >= this.#size) return batchOf(buffer.subarray(0, end).toString('utf8'), from + end);
      length = Math.min(length * 2, this.#size - from);
    }
  }

  /** Closes the file and removes it, or sets it aside under another name. */
  async end(aside?: string): Promise<void> {
    await this.#handle.close();
    if (aside === undefined) await unlink(this.path);
    else await rename(this.path, aside);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #write(text: string): Promise<void> {
    const bytes = Buffer.from(text, 'utf8');
    try {
      for (let at = 0; at < bytes.length; ) {
        at += (await this.#handle.write(bytes, at, bytes.length - at, this.#size + at)).bytesWritten;
      }
      await this.#handle.sync();
    } catch (error) {
      // Half of a batch must not stand before the next one.
      await this.#handle.truncate(this.#size).catch(() => {});
      throw error;
    }
    this.#size += bytes.length;
  }
}

function lineOf(record: object): string {
  const json = JSON.stringify(record);
  return `${checksum(json)} ${json}\n`;
}

function checksum(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function batchOf(text: string, next: number): SpoolBatch {
  const writers: AuditWriter[] = [];
  const events: AuditEvent[] = [];
  let damaged = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    try {
      const json = line.slice(17);
      if (line.slice(0, 16) !== checksum(json)) throw new Error('The checksum differs.');
      const record = JSON.parse(json) as { readonly writer?: unknown; readonly entry?: unknown };
      if (record.writer === undefined) events.push(restoredEvent(record.entry));
      else writers.push(restoredWriter(record.writer));
    } catch {
      damaged++;
    }
  }
  return { writers, events, next, damaged };
}

function restoredWriter(stored: unknown): AuditWriter {
  const writer = storedWriter.parse(stored);
  return Object.freeze({
    id: writer.id,
    provider: writer.provider,
    keyRef: writer.key_ref,
    keyVersion: writer.key_version ?? undefined,
    wrapped: Buffer.from(writer.wrapped, 'hex'),
    startedAt: writer.started_at,
  });
}
