import { readdir } from 'node:fs/promises';
import { describe, expect, test, vi } from 'vitest';
import { eventually, processesNaming } from '../../support/processes.ts';
import { QuickstartRun } from './quickstart-run.ts';

const folder = async (run: QuickstartRun): Promise<boolean> => (await readdir(run.home)).some((name) => name.startsWith('tenancy-pg-'));

/** How far the run has come when it is interrupted. */
const moments: Record<string, (run: QuickstartRun) => Promise<void>> = {
  'while the servers start': async (run) => await run.reaches(async () => await folder(run)),
  'while the catalog is made': async (run) => await run.reaches('✓ starting'),
  'while retailers are onboarded': async (run) => await run.reaches('✓ making the catalog'),
  'while lines are imported': async (run) => await run.reaches('✓ importing products'),
  'during the day': async (run) => await run.reaches('✓ importing one file a second time'),
  'while it is being broken into': async (run) => await run.reaches('✓ a day of orders'),
};

// Each starts servers and runs most of the quickstart: a minute and more where other work shares the processors.
vi.setConfig({ testTimeout: 240_000 });

describe('an interrupted run leaves no process and no file', () => {
  test.each([
    ...Object.keys(moments).map((moment) => [moment, 'SIGINT', 130] as const),
    ['while the catalog is made', 'SIGTERM', 143],
  ] as const)('%s, by %s', async (moment, signal, expected) => {
    await using run = await QuickstartRun.start();
    await moments[moment]!(run);
    // The positive control: there is something to clean up.
    expect((await processesNaming(run.home)).length).toBeGreaterThan(1);
    run.kill(signal);
    expect(await run.exit(), run.output).toBe(expected);
    expect(await run.leftovers()).toEqual([]);
    expect(run.output).toContain('Interrupted');
  });
});

describe('SIGKILL leaves no process and no file', () => {
  test.each(['while the servers start', 'while lines are imported'])('%s', async (moment) => {
    await using run = await QuickstartRun.start();
    await moments[moment]!(run);
    expect((await processesNaming(run.home)).length).toBeGreaterThan(1);
    run.kill('SIGKILL');
    expect(await run.exit()).toBeNull();
    await eventually(async () => expect(await run.leftovers()).toEqual([]));
  });
});

test.each(['SIGTERM', 'SIGKILL'] as const)('%s to the shell that npm puts in between leaves no process and no file', async (signal) => {
  await using run = await QuickstartRun.startThroughShell();
  await moments['while the catalog is made']!(run);
  run.kill(signal);
  await run.exit();
  expect(run.output).toContain('Interrupted');
  expect(await run.leftovers()).toEqual([]);
});

test('with --keep it stays up until it is told to end, and its connection strings lead to the servers', async () => {
  const { default: postgres } = await import('postgres');
  await using run = await QuickstartRun.start(['--keep']);
  await run.reaches('Ctrl-C, or kill');
  const urls = [...run.output.matchAll(/postgres:\/\/\S+/g)].map(([url]) => url);
  expect(urls).toHaveLength(3);
  for (const url of urls) {
    const sql = postgres(url, { max: 1, onnotice: () => {} });
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    await sql.end();
  }
  run.kill('SIGINT');
  expect(await run.exit(), run.output).toBe(130);
  expect(await run.leftovers()).toEqual([]);
});

test('a run after a killed one passes', async () => {
  await using killed = await QuickstartRun.start();
  await moments['while retailers are onboarded']!(killed);
  killed.kill('SIGKILL');
  await using run = await QuickstartRun.start();
  expect(await run.exit(), run.output).toBe(0);
  expect(await run.leftovers()).toEqual([]);
});
