import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { formsIn, type SecretForm } from './secret-forms.ts';

/** Linux's switch for who may look into another process: from 2 on not its parent either. */
const scope = '/proc/sys/kernel/yama/ptrace_scope';

/** Whether a child's memory can be read here: where /proc shows it, and the system lets a parent look. */
export const memoryIsReadable =
  existsSync('/proc/self/mem') && (process.geteuid?.() === 0 || !existsSync(scope) || Number(readFileSync(scope, 'latin1')) < 2);

const chunk = 1 << 24;

/**
 * The names of the forms that lie anywhere in a child process's writable memory. It must rest meanwhile; what it does not know it can't hold
 * copies of, so the search is done from outside.
 */
export function searchMemory(pid: number, forms: readonly SecretForm[]): string[] {
  const overlap = Math.max(...forms.map(({ bytes }) => bytes.byteLength)) - 1;
  const found = new Set<string>();
  const room = Buffer.allocUnsafeSlow(chunk + overlap);
  const memory = openSync(`/proc/${pid}/mem`, 'r');
  try {
    for (const [start, end] of writableMaps(pid)) {
      for (let at = start; at < end; at += BigInt(chunk)) {
        const length = Number(end - at < BigInt(chunk + overlap) ? end - at : BigInt(chunk + overlap));
        for (const name of formsIn(room.subarray(0, readSome(memory, room, length, at)), forms)) found.add(name);
      }
    }
  } finally {
    closeSync(memory);
    room.fill(0);
  }
  return [...found];
}

/** Of a page that can't be read, such as one of the kernel's, nothing is read. */
function readSome(memory: number, room: Buffer, length: number, position: bigint): number {
  let read = 0;
  try {
    while (read < length) {
      const more = readSync(memory, room, read, length - read, position + BigInt(read));
      if (more === 0) break;
      read += more;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
  }
  return read;
}

function writableMaps(pid: number): (readonly [bigint, bigint])[] {
  return readFileSync(`/proc/${pid}/maps`, 'latin1')
    .split('\n')
    .flatMap((line) => {
      const [, start, end, mode] = /^([0-9a-f]+)-([0-9a-f]+) (\S+)/.exec(line) ?? [];
      return mode?.startsWith('rw') === true ? [[BigInt(`0x${start}`), BigInt(`0x${end}`)] as const] : [];
    });
}
