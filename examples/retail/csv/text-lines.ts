import { createReadStream } from 'node:fs';

/** A line longer than this, in characters, is none of ours; it is cut, and fails as a line. */
const maxLength = 64 * 1024;

/**
 * The physical lines of a UTF-8 file, streamed, without their line ends and the byte order mark.
 *
 * @throws an AbortError when the signal is aborted, or what the file system says
 */
export async function* textLines(path: string, signal?: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8');
  let rest = '';
  for await (const chunk of createReadStream(path, { ...(signal === undefined ? {} : { signal }) })) {
    const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n');
    rest = (lines.pop() ?? '').slice(0, maxLength);
    for (const line of lines) yield trimEnd(line);
  }
  rest += decoder.decode();
  if (rest !== '') yield trimEnd(rest);
}

function trimEnd(line: string): string {
  return line.slice(0, maxLength).replace(/\r$/, '');
}
