import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AbortedError, ConfigurationError } from '../../../src/errors.ts';
import { type EmbeddedCluster, startEmbeddedCluster } from '../../../src/testing/embedded-cluster.ts';
import { eventually, processesNaming } from '../../support/processes.ts';

describe('a running cluster', () => {
  let cluster: EmbeddedCluster;
  let sql: postgres.Sql;
  beforeAll(async () => {
    cluster = await startEmbeddedCluster({ settings: { max_connections: 77, log_statement: 'all', 'myapp.flag': true } });
    sql = postgres(cluster.adminUrl, { max: 1 });
  });
  afterAll(async () => {
    await sql.end();
    await cluster.close();
  });

  test('answers at its address, with the settings that were asked for', async () => {
    const [row] = await sql<{ version: string; connections: string; fsync: string; flag: string }[]>`
      select current_setting('server_version') as version, current_setting('max_connections') as connections,
             current_setting('fsync') as fsync, current_setting('myapp.flag') as flag`;
    expect(row).toEqual({ version: cluster.version, connections: '77', fsync: 'off', flag: 'on' });
    expect(new URL(cluster.adminUrl)).toMatchObject({ hostname: cluster.host, port: String(cluster.port), username: 'postgres' });
  });

  test('lets nobody in without its password, and stores it as SCRAM', async () => {
    const url = new URL(cluster.adminUrl);
    url.password = 'password';
    const stranger = postgres(url.href, { max: 1, connect_timeout: 5 });
    await expect(stranger`select 1`).rejects.toMatchObject({ code: '28P01' });
    await stranger.end();
    const [row] = await sql`select rolpassword from pg_authid where rolname = 'postgres'`;
    expect(row?.['rolpassword']).toMatch(/^SCRAM-SHA-256\$/);
  });

  test('keeps its files among the temporary ones, closed to others, with no password in them or in a command line', async () => {
    expect(cluster.directory.startsWith(process.cwd())).toBe(false);
    expect((await stat(cluster.directory)).mode & 0o777).toBe(0o700);
    expect(await readdir(cluster.directory)).toEqual(expect.arrayContaining(['data', 'server.log']));
    expect(await readdir(cluster.directory)).not.toContain('password');
    const commands = await processesNaming(cluster.directory);
    expect(commands.length).toBeGreaterThan(0);
    expect(commands.join('\n')).not.toContain(new URL(cluster.adminUrl).password);
  });

  test('does not run as root', async () => {
    await sql`select 1`;
    expect((await stat(join(cluster.directory, 'data'))).uid).not.toBe(0);
  });
});

test('several start at once, each on its own port, and close without a trace', async () => {
  const clusters = await Promise.all([startEmbeddedCluster(), startEmbeddedCluster(), startEmbeddedCluster()]);
  expect(new Set(clusters.map((cluster) => cluster.port)).size).toBe(3);
  expect(new Set(clusters.map((cluster) => cluster.adminUrl)).size).toBe(3);
  await Promise.all(clusters.map((cluster) => cluster.close()));
  for (const { directory } of clusters) {
    expect(existsSync(directory)).toBe(false);
    expect(await processesNaming(directory)).toEqual([]);
  }
});

test('close is safe to call twice, also while sessions are open', async () => {
  const cluster = await startEmbeddedCluster();
  const sql = postgres(cluster.adminUrl, { max: 2 });
  const sleeping = sql`select pg_sleep(60)`.then(
    () => 'finished',
    () => 'ended',
  );
  await eventually(async () => {
    const [row] = await sql`select count(*)::int as n from pg_stat_activity where query = 'select pg_sleep(60)'`;
    expect(row?.['n']).toBe(1);
  });
  await Promise.all([cluster.close(), cluster.close()]);
  await cluster.close();
  expect(await sleeping).toBe('ended');
  await sql.end({ timeout: 0 });
  expect(existsSync(cluster.directory)).toBe(false);
}, 30_000);

test('the folder of the caller is used, and kept when asked', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'tenancy-keep-'));
  try {
    await chmod(parent, 0o755);
    const directory = join(parent, 'cluster');
    const cluster = await startEmbeddedCluster({ directory, keep: true });
    expect(cluster.directory).toBe(directory);
    await cluster.close();
    expect(existsSync(join(directory, 'data', 'PG_VERSION'))).toBe(true);
    expect(await processesNaming(directory)).toEqual([]);
    await expect(startEmbeddedCluster({ directory })).rejects.toThrow(ConfigurationError);
    expect(existsSync(join(directory, 'data', 'PG_VERSION'))).toBe(true);
  } finally {
    await rm(parent, { recursive: true });
  }
});

test('settings that the cluster depends on are refused before anything starts', async () => {
  for (const name of ['port', 'listen_addresses', 'Unix_Socket_Directories', 'x=y -c port']) {
    await expect(startEmbeddedCluster({ settings: { [name]: '1' } })).rejects.toThrow(ConfigurationError);
  }
});

test('a server that can’t start says why and leaves nothing', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'tenancy-bad-'));
  try {
    await chmod(parent, 0o755);
    const directory = join(parent, 'cluster');
    await expect(startEmbeddedCluster({ directory, settings: { max_connections: 'many' } })).rejects.toThrow(/max_connections/);
    expect(existsSync(directory)).toBe(false);
  } finally {
    await rm(parent, { recursive: true });
  }
});

test('a signal ends the start, whenever it fires', async () => {
  await expect(startEmbeddedCluster({ signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
  for (const ms of [1, 300, 700]) {
    const parent = await mkdtemp(join(tmpdir(), 'tenancy-abort-'));
    await chmod(parent, 0o755);
    const directory = join(parent, 'cluster');
    const outcome = await startEmbeddedCluster({ directory, signal: AbortSignal.timeout(ms) }).catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(AbortedError);
    await eventually(() => expect(existsSync(directory)).toBe(false));
    expect(await processesNaming(directory)).toEqual([]);
    await rm(parent, { recursive: true });
  }
});

test('a supervisor that is killed leaves no server behind while its process lives', async () => {
  const cluster = await startEmbeddedCluster();
  const [server] = await processesNaming(cluster.directory);
  const pid = Number(/^(\d+)/.exec(server ?? '')?.[1]);
  const supervisor = Number(/^PPid:\s+(\d+)/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
  expect(supervisor).toBeGreaterThan(1);
  process.kill(supervisor, 'SIGKILL');
  await eventually(async () => {
    expect(await processesNaming(cluster.directory)).toEqual([]);
    expect(existsSync(cluster.directory)).toBe(false);
  });
  await cluster.close();
});

test('a folder with something in it is refused and left alone', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tenancy-full-'));
  await mkdir(join(directory, 'photos'));
  await writeFile(join(directory, 'photos', 'one'), '1');
  await expect(startEmbeddedCluster({ directory })).rejects.toThrow(/not empty/);
  expect(existsSync(join(directory, 'photos', 'one'))).toBe(true);
  await rm(directory, { recursive: true });
});
