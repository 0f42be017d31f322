import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** `pid command line` of every other process whose command line or, where /proc shows it, environment holds this text; lowest pid first. */
export async function processesNaming(text: string): Promise<readonly string[]> {
  const lines = existsSync('/proc/self/environ') ? await fromProc(text) : await fromPs(text);
  return lines.filter((line) => Number.parseInt(line, 10) !== process.pid);
}

async function fromProc(text: string): Promise<string[]> {
  const pids = (await readdir('/proc'))
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [command, environment] = await Promise.all(
        ['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
      );
      return `${command}${environment}`.includes(text) ? [`${pid} ${command?.replaceAll('\0', ' ')}`] : [];
    }),
  );
  return found.flat();
}

async function fromPs(text: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,command='], { maxBuffer: 1 << 24 });
  return stdout
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.includes(text))
    .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
}

/** Tries until the check holds, 15 s at most. */
export async function eventually(check: () => unknown, limitMs = 15_000): Promise<void> {
  for (const end = Date.now() + limitMs; ; ) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(50);
    }
  }
}
