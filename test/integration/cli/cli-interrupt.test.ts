import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/processes.ts';
import { adminUrl } from '../../support/server.ts';
import { CliWorld } from './cli-world.ts';
import { documentsIn } from './installed-cli.ts';

const key = 731_905;

describe('a command that is interrupted', () => {
  let world: CliWorld;
  beforeAll(async () => {
    world = await CliWorld.open();
    expect((await world.cli.run(world.with('init'))).code).toBe(0);
    const files = [await world.tenantFile('a-shop', 'standard'), await world.tenantFile('b-shop', 'standard')];
    expect((await world.cli.run(world.with('tenant', 'create', ...files))).code).toBe(0);
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  const database = (): string => `${world.prefix}_shared`;
  const run = async (...argv: string[]) => await world.cli.run(world.with(...argv));

  /** A migration that waits until the test lets it go on. */
  const heldMigration = async (name: string, column: string): Promise<void> => {
    await world.migration(
      name,
      `set local lock_timeout = 0;\nselect pg_advisory_xact_lock(${key});\nalter table products add column ${column} text;`,
    );
  };

  /** Holds every such migration back for as long as the callback runs. */
  const holding = async <T>(callback: (let_go: () => Promise<unknown>) => Promise<T>): Promise<T> => {
    const holder = postgres(adminUrl(database()), { max: 1, fetch_types: false });
    await holder`select pg_advisory_lock(${key})`;
    try {
      return await callback(async () => await holder`select pg_advisory_unlock(${key})`);
    } finally {
      await holder.end();
    }
  };

  const waiting = async (): Promise<void> =>
    await eventually(async () => {
      const locks = await world.asSuperuser(
        database(),
        `select pid from pg_locks where locktype = 'advisory' and objid = ${key} and not granted and database = (select oid from pg_database where datname = current_database())`,
      );
      expect(locks).toHaveLength(1);
    });

  const schemasWith = async (column: string): Promise<readonly string[]> =>
    (
      await world.asSuperuser<{ name: string }>(
        database(),
        `select table_schema as name from information_schema.columns where column_name = '${column}' order by 1`,
      )
    ).map(({ name }) => name);

  test('SIGINT lets the migration that runs finish, starts no other, and ends with 1', async () => {
    await heldMigration('0002_held', 'held');
    const end = await holding(async (letGo) => {
      const process = world.cli.start(world.with('migrate', 'up', '--concurrency', '1'));
      await waiting();
      process.kill('SIGINT');
      await eventually(() => expect(process.stderr()).toContain('Stopping in order'));
      await letGo();
      return await process.ended;
    });
    expect(end).toMatchObject({ code: 1, stderr: expect.stringContaining('error: Interrupted.') });
    expect(end.stdout).toContain('1 migrated, 1 unchanged, 0 failed, 1 skipped');
    expect(await schemasWith('held')).toEqual(['a_shop']);
    expect((await run('migrate', 'status')).stdout).toMatch(/^a-shop +0002_held +none\nb-shop +0001_shop +0002_held$/m);
    expect((await run('verify')).code).toBe(0);
    expect((await run('migrate', 'up')).code).toBe(0);
    expect(await schemasWith('held')).toEqual(['a_shop', 'b_shop']);
  });

  test('a second SIGINT ends at once with 130; what was under way is rolled back', async () => {
    await heldMigration('0003_held', 'held_again');
    const end = await holding(async () => {
      const process = world.cli.start(world.with('migrate', 'up', '--concurrency', '1'));
      await waiting();
      process.kill('SIGINT');
      await eventually(() => expect(process.stderr()).toContain('Stopping in order'));
      process.kill('SIGINT');
      return await process.ended;
    });
    expect(end).toMatchObject({ code: 130, stdout: '' });
    expect((await run('migrate', 'status')).stdout).toMatch(/^a-shop +0002_held +0003_held\nb-shop +0002_held +0003_held$/m);
    expect(await schemasWith('held_again')).toEqual([]);
    expect((await run('verify')).code).toBe(0);
    expect((await run('migrate', 'up')).code).toBe(0);
    expect(await schemasWith('held_again')).toEqual(['a_shop', 'b_shop']);
  });

  test('SIGTERM in the middle of tenant create undoes the tenant under way; the same command again makes it', async () => {
    const files = [await world.tenantFile('c-shop', 'standard'), await world.tenantFile('d-shop', 'standard')];
    const end = await holding(async (letGo) => {
      const process = world.cli.start(world.with('tenant', 'create', ...files, '--json'));
      await waiting();
      process.kill('SIGTERM');
      // With --json nothing but JSON is written, so that nothing tells when the signal has arrived.
      await sleep(1_000);
      await letGo();
      return await process.ended;
    });
    const { result, errors } = documentsIn(end.stdout, end.stderr);
    expect(result).toMatchObject({
      tenants: [
        { tenantId: 'c-shop', outcome: 'failed' },
        { tenantId: 'd-shop', outcome: 'skipped' },
      ],
    });
    expect(errors).toMatchObject([{ code: 'PROVISIONING', tenantId: 'c-shop', cause: expect.stringContaining('aborted') }]);
    expect(end.code).toBe(1);
    expect(await world.asSuperuser(database(), `select nspname from pg_namespace where nspname in ('c_shop', 'd_shop')`)).toEqual([]);
    expect((await run('verify')).code).toBe(0);
    expect((await run('tenant', 'create', ...files)).code).toBe(0);
    expect((await run('tenant', 'list', '--status', 'active')).stdout.match(/-shop /g)).toHaveLength(8);
    expect((await run('verify')).code).toBe(0);
  });
});
