import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import type { Anchor } from '../audit/anchor-sink.ts';
import { ConfigurationError } from '../errors.ts';

const anchorLine = z.object({ writer: z.uuid(), seq: z.int().min(1), mac: z.string().regex(/^[0-9a-f]{64}$/), at: z.coerce.date() });

/**
 * Reads the file of a {@link FileAnchorSink}: the newest anchor of each writer, which vouches for all before it. Lines may have other
 * fields too, as a log's have; a last line that was torn off is passed over.
 *
 * @throws {ConfigurationError} when the file can't be read, or a line is no anchor
 * @example
 * ```ts
 * const { ok, findings } = await control.auditVerify({ anchors: await readAnchors('anchors.jsonl') });
 * ```
 */
export async function readAnchors(path: string): Promise<readonly Anchor[]> {
  const newest = new Map<string, Anchor>();
  let line = 0;
  let wrong: number | undefined;
  try {
    for await (const text of createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY })) {
      line++;
      if (wrong !== undefined) break;
      if (text === '') continue;
      const anchor = anchorOf(text);
      if (anchor === undefined) wrong = line;
      else if (anchor.seq >= (newest.get(anchor.writer)?.seq ?? 0)) newest.set(anchor.writer, anchor);
    }
  } catch (cause) {
    throw new ConfigurationError(`The anchors in ${path} can't be read.`, { cause });
  }
  if (wrong !== undefined && line > wrong) {
    throw new ConfigurationError(`Line ${wrong} of ${path} is no anchor.`, { hint: 'It has writer, seq, mac and at, as JSON.' });
  }
  return Object.freeze([...newest.values()]);
}

function anchorOf(text: string): Anchor | undefined {
  try {
    const { writer, seq, mac, at } = anchorLine.parse(JSON.parse(text));
    return Object.freeze({ writer, seq, mac, at });
  } catch {
    return undefined;
  }
}
