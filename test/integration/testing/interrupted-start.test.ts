import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { eventually, processesNaming } from '../../support/processes.ts';

/** How far a start has come when it is interrupted. */
const moments: Record<string, (home: string, output: () => string) => Promise<boolean>> = {
  'as the call is made': async (_, output) => output().includes('starting'),
  'once its folder is there': async (home) => (await clusterOf(home)) !== undefined,
  'while initdb writes': async (home) => existsSync(join((await clusterOf(home)) ?? '-', 'data', 'pg_wal')),
  'while the server starts': async (home) => existsSync(join((await clusterOf(home)) ?? '-', 'data', 'postmaster.pid')),
  'when it is ready': async (_, output) => output().includes('ready'),
};

const ways: Record<string, (child: ChildProcess) => void> = {
  'Ctrl-C (SIGINT to its whole group)': (child) => process.kill(-child.pid!, 'SIGINT'),
  SIGTERM: (child) => child.kill('SIGTERM'),
  SIGKILL: (child) => child.kill('SIGKILL'),
  'SIGKILL to its whole group': (child) => process.kill(-child.pid!, 'SIGKILL'),
};

describe.each(Object.keys(ways))('%s leaves no process and no file', (way) => {
  test.concurrent.each(Object.keys(moments))('%s', async (moment) => {
    const home = await mkdtemp(join(tmpdir(), 'tenancy-interrupt-'));
    await chmod(home, 0o755);
    const { child, output } = startChild(home);
    try {
      while (!(await moments[moment]!(home, output))) {
        expect(child.exitCode, output()).toBeNull();
        await sleep(3);
      }
      // The positive control: there is something to clean up.
      if (moment !== 'as the call is made') expect((await processesNaming(home)).length).toBeGreaterThan(1);
      ways[way]!(child);
      await once(child, 'exit');
      await eventually(async () => {
        expect(await processesNaming(home)).toEqual([]);
        expect(await clusterOf(home)).toBeUndefined();
      });
    } finally {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await rm(home, { recursive: true, force: true });
    }
  });
});

test('a process that ends without closing its clusters leaves none', async () => {
  const home = await mkdtemp(join(tmpdir(), 'tenancy-interrupt-'));
  await chmod(home, 0o755);
  const { child, output } = startChild(home, 'start-and-end.ts');
  await once(child, 'exit');
  expect(child.exitCode, output()).toBe(0);
  expect(output()).toContain('ready');
  await eventually(async () => {
    expect(await processesNaming(home)).toEqual([]);
    expect(await clusterOf(home)).toBeUndefined();
  });
  await rm(home, { recursive: true });
});

/** The child's folder for temporary files marks everything that it starts. */
function startChild(home: string, script = 'start-and-wait.ts'): { child: ChildProcess; output: () => string } {
  const file = join(import.meta.dirname, 'fixtures', script);
  const env = { ...process.env, TMPDIR: home, TSX_DISABLE_CACHE: '1', NODE_OPTIONS: '' };
  const child = spawn(process.execPath, ['--import', 'tsx', file], { detached: true, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  return { child, output: () => text };
}

async function clusterOf(home: string): Promise<string | undefined> {
  const name = (await readdir(home)).find((entry) => entry.startsWith('tenancy-pg-'));
  return name === undefined ? undefined : join(home, name);
}
