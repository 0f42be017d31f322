import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { TestPlatform } from '../../../src/testing/test-platform.ts';
import type { KeyWork } from './fixtures/key-work.ts';

const fixture = join(import.meta.dirname, 'fixtures/key-work.ts');

type Platform = Pick<TestPlatform<Record<string, unknown>>, 'keyManagers' | 'controlOptions'>;

/** Work on a platform's keys in a process of its own, which may kill itself. @returns its exit code, or null when it was killed */
export function killableWork(platform: Platform): (job: Pick<KeyWork, 'tenant' | 'what' | 'diesAt'>) => Promise<number | null> {
  const files = platform.keyManagers().map((manager) => ({ file: /\((.*), /.exec(inspect(manager))![1]!, region: manager.region }));
  return async (job) => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', fixture, JSON.stringify({ ...job, control: platform.controlOptions, files })],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    let stderr = '';
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => child.on('close', (...end) => resolve(end)));
    if (signal === 'SIGKILL') return null;
    // Whoever died a moment ago may hold its lock for as long as the server needs to notice.
    if (code !== 0 && code !== 3 && !/by another process/.test(stderr)) throw new Error(`The process ended with ${code}: ${stderr}`);
    return code;
  };
}
