import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AbortedError, ConfigurationError, MigrationError } from '../../../src/errors.ts';
import { loadMigrations } from '../../../src/migrate/load-migrations.ts';
import { migrateTarget } from '../../../src/migrate/migrate-target.ts';
import { migrateTargets } from '../../../src/migrate/migrate-targets.ts';
import type { MigrationProgress } from '../../../src/migrate/migration-report.ts';
import { Workshop } from './workshop.ts';

const files = {
  '0001_products.sql': 'create table products (tenant_id text not null, id int not null, primary key (tenant_id, id));',
  '0002_orders.mjs': `export const up = (pgm) => { pgm.createTable('orders', { tenant_id: { type: 'text', notNull: true }, id: 'serial' }); };`,
};
const ids = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

/** A promise and the call that resolves it. */
function gate(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.open();
});
afterAll(async () => {
  await workshop?.[Symbol.asyncDispose]();
});

describe('many schemas at once', () => {
  it('node-pg-migrate’s lock is one for the database: most of them fail (the attack)', async () => {
    const targets = await workshop.tenants(...ids('npm', 30));
    const { directory } = await workshop.source(files);
    const quiet = { info: () => {}, warn: () => {}, error: () => {} };
    let failed = 0;
    const queue = [...targets];
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
          const client = new pg.Client({ connectionString: workshop.ownerUrl });
          await client.connect();
          await runner({
            dbClient: client,
            dir: directory,
            direction: 'up',
            schema: target.schema,
            migrationsTable: 'pgmigrations',
            singleTransaction: true,
            logger: quiet,
          }).catch(() => {
            failed += 1;
          });
          await client.end();
        }
      }),
    );
    expect(failed).toBeGreaterThan(5);
  });

  it('30 schemas, 8 at a time: none fails, the order is the targets’, progress counts all', async () => {
    const targets = await workshop.tenants(...ids('many', 30));
    const source = await workshop.source(files);
    const progress: MigrationProgress[] = [];
    const report = await migrateTargets(targets, source, workshop.options({ concurrency: 8, onProgress: (step) => progress.push(step) }));
    expect(report.failed).toBe(0);
    expect(report.targets.map(({ target, outcome }) => `${target} ${outcome}`)).toEqual(targets.map(({ key }) => `${key} migrated`));
    expect(progress.map(({ done }) => done)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(progress.every(({ total }) => total === 30)).toBe(true);
    expect(new Set(progress.map(({ target }) => target)).size).toBe(30);
    expect(await workshop.columns('many_29', 'orders')).toEqual(['tenant_id', 'id']);
    expect(await workshop.leftovers()).toBe(0);
  });

  it('connects to none that has everything, by one question to the central ledger', async () => {
    const targets = await workshop.tenants(...ids('same', 6));
    const source = await workshop.source(files);
    await migrateTargets(targets.slice(0, 5), source, workshop.options());
    let asked = 0;
    const connectsTo: string[] = [];
    const watched = targets.map((target) => ({
      ...target,
      get ownerUrl() {
        connectsTo.push(target.key);
        return target.ownerUrl;
      },
    }));
    const report = await migrateTargets(
      watched,
      source,
      workshop.options({
        appliedByTarget: async () => {
          asked += 1;
          return workshop.ledger;
        },
      }),
    );
    expect(report.targets.map(({ outcome }) => outcome)).toEqual([
      'unchanged',
      'unchanged',
      'unchanged',
      'unchanged',
      'unchanged',
      'migrated',
    ]);
    expect(asked).toBe(1);
    expect(new Set(connectsTo)).toEqual(new Set(['same-5']));
  });
});

describe('a failure', () => {
  const bad = {
    ...files,
    '0003_bad.sql': `do $$ begin if current_schema() = 'fail_1' or current_schema() = 'stop_0' then raise 'no'; end if; end $$; create table extra (tenant_id text not null);`,
  };

  it('stops the start of others unless told', async () => {
    const targets = await workshop.tenants(...ids('stop', 4));
    const report = await migrateTargets(targets, await workshop.source(bad), workshop.options({ concurrency: 1 }));
    expect(report.failed).toBe(1);
    expect(report.targets.map(({ outcome }) => outcome)).toEqual(['failed', 'skipped', 'skipped', 'skipped']);
    expect(report.targets[3]?.error).toBeUndefined();
    expect(await workshop.columns('stop_1', 'products')).toEqual([]);
  });

  it('lets the others go on when told, and leaves its own target as it was', async () => {
    const targets = await workshop.tenants(...ids('fail', 4));
    const outcomes: string[] = [];
    const report = await migrateTargets(
      targets,
      await workshop.source(bad),
      workshop.options({ concurrency: 2, stopOnError: false, onProgress: ({ outcome }) => outcomes.push(outcome) }),
    );
    expect(report.failed).toBe(1);
    expect(report.targets.map(({ outcome }) => outcome)).toEqual(['migrated', 'failed', 'migrated', 'migrated']);
    expect(report.targets[1]?.error).toMatchObject({ migration: '0003_bad', tenantId: 'fail-1' });
    expect(outcomes.toSorted()).toEqual(['failed', 'migrated', 'migrated', 'migrated']);
    expect(await workshop.columns('fail_1', 'products')).toEqual([]);
    expect(await workshop.columns('fail_2', 'extra')).toEqual(['tenant_id']);
    expect(await workshop.leftovers()).toBe(0);
  });
});

describe('an abort', () => {
  it('starts no more, and waits for what runs', async () => {
    const targets = await workshop.tenants(...ids('abort', 4));
    const controller = new AbortController();
    const source = await workshop.source({ '0001_slow.sql': 'create table products (tenant_id text not null); select pg_sleep(0.2);' });
    setTimeout(() => controller.abort(), 100);
    const report = await migrateTargets(targets, source, workshop.options({ concurrency: 2, signal: controller.signal }));
    expect(report.targets.map(({ outcome }) => outcome)).toEqual(['migrated', 'migrated', 'skipped', 'skipped']);
    expect(report.targets[2]?.error).toBeInstanceOf(AbortedError);
    expect(report.failed).toBe(0);
    expect(await workshop.columns('abort_1', 'products')).toEqual(['tenant_id']);
    expect(await workshop.columns('abort_2', 'products')).toEqual([]);
  });

  it('ends the wait for another session', async () => {
    const [target] = await workshop.tenants('wait-1');
    const source = await workshop.source(files);
    const held = gate();
    const release = gate();
    const afterMigrate = async (): Promise<void> => {
      held.resolve();
      await release.promise;
    };
    const first = migrateTarget(target!, source, workshop.options({ afterMigrate }));
    await held.promise;
    const second = await migrateTarget(target!, source, { ...workshop.options(), signal: AbortSignal.timeout(50) });
    const third = await migrateTarget(target!, source, { ...workshop.options(), targetLockTimeoutMs: 50 });
    release.resolve();
    expect(second).toMatchObject({ outcome: 'skipped', applied: [] });
    expect(second.error).toBeInstanceOf(AbortedError);
    expect(third).toMatchObject({ outcome: 'failed', error: { retryable: true } });
    expect((await first).outcome).toBe('migrated');
  });
});

/** Another thread has modules and connections of its own, like another process. */
const otherProcess = `
  const { workerData, parentPort } = require('node:worker_threads');
  (async () => {
    (await import('tsx/esm/api')).register();
    const { loadMigrations } = await import(workerData.src + 'load-migrations.ts');
    const { migrateTarget } = await import(workerData.src + 'migrate-target.ts');
    const target = { ...workerData.target, contextToken: () => workerData.target.key };
    const report = await migrateTarget(target, await loadMigrations(workerData.directory), { afterMigrate: async () => {}, recordLedger: async () => {} });
    parentPort.postMessage({ applied: report.applied, error: String(report.error) });
  })();`;

describe('one target, by several processes at a time', () => {
  it('each migration is applied once, also where an index is built concurrently', async () => {
    const [target] = await workshop.tenants('twice-1');
    const { directory } = await workshop.source({
      ...files,
      '0003_index.sql': 'create index concurrently i on products (id); select pg_sleep(0.1);',
    });
    const { contextToken: _, ...plain } = target!;
    const src = new URL('../../../src/migrate/', import.meta.url).href;
    const workers = Array.from(
      { length: 3 },
      () => new Worker(otherProcess, { eval: true, workerData: { target: plain, directory, src } }),
    );
    const answers = await Promise.all(
      workers.map(async (worker) => ((await once(worker, 'message')) as [{ applied: string[]; error: string }])[0]),
    );
    await Promise.all(workers.map(async (worker) => worker.terminate()));
    expect(answers.map(({ error }) => error)).toEqual(['undefined', 'undefined', 'undefined']);
    expect(answers.map(({ applied }) => applied.length).toSorted()).toEqual([0, 0, 3]);
    expect([...(await workshop.admin`select count(*)::int as n from twice_1.pgmigrations`)]).toEqual([{ n: 3 }]);
    expect([...(await workshop.admin`select indisvalid as valid from pg_index where indexrelid = 'twice_1.i'::regclass`)]).toEqual([
      { valid: true },
    ]);
  });
});

describe('before anything is run', () => {
  const untouched = async (schema: string): Promise<void> => expect(await workshop.columns(schema, 'late')).toEqual([]);

  it('refuses a changed migration, for all targets', async () => {
    const targets = await workshop.tenants('sum-0', 'sum-1');
    const source = await workshop.source(files);
    await migrateTargets(targets.slice(1), source, workshop.options());
    await writeFile(join(source.directory, '0001_products.sql'), 'create table products (tenant_id text not null);');
    await writeFile(join(source.directory, '0003_late.sql'), 'create table late (tenant_id text not null);');
    const changed = await loadMigrations(source.directory);
    await expect(migrateTargets(targets, changed, workshop.options())).rejects.toThrow(
      /"0001_products" was changed after it had been applied to sum-1/,
    );
    await expect(migrateTargets(targets, changed, workshop.options())).rejects.toBeInstanceOf(MigrationError);
    await untouched('sum_0');
    const alone = await migrateTarget(targets[1]!, changed, { ...workshop.options(), ledger: workshop.ledger.get('sum-1') });
    expect(alone.error).toMatchObject({ migration: '0001_products' });
    await untouched('sum_1');
  });

  it('refuses one that was put before an applied one, by the central and by the target’s own ledger', async () => {
    const targets = await workshop.tenants('order-0', 'order-1');
    const source = await workshop.source(files);
    await migrateTargets(targets.slice(1), source, workshop.options());
    await writeFile(join(source.directory, '0000_late.sql'), 'create table late (tenant_id text not null);');
    const changed = await loadMigrations(source.directory);
    await expect(migrateTargets(targets, changed, workshop.options())).rejects.toThrow(/"0000_late" was not applied to order-1/);
    const report = await migrateTargets(targets, changed, workshop.options({ appliedByTarget: async () => new Map(), stopOnError: false }));
    expect(report.targets.map(({ outcome }) => outcome)).toEqual(['migrated', 'failed']);
    expect(report.targets[1]?.error?.message).toMatch(/"0000_late" was not applied to order-1/);
    await untouched('order_1');
  });

  it('refuses an older release: a migration that it does not know was applied', async () => {
    const targets = await workshop.tenants('old-1');
    await migrateTargets(targets, await workshop.source(files), workshop.options());
    const { '0002_orders.mjs': _, ...older } = files;
    await expect(migrateTargets(targets, await workshop.source(older), workshop.options())).rejects.toThrow(
      /"0002_orders" was applied to old-1, but is not in/,
    );
  });

  it('refuses a key given twice, and a concurrency of nothing', async () => {
    const source = await workshop.source(files);
    const target = workshop.target('dup-1');
    await expect(migrateTargets([target, target], source, workshop.options())).rejects.toBeInstanceOf(ConfigurationError);
    await expect(migrateTargets([target], source, workshop.options({ concurrency: 0 }))).rejects.toBeInstanceOf(ConfigurationError);
    await expect(migrateTargets([{ ...target, schema: 'reference' }], source, workshop.options())).rejects.toBeInstanceOf(
      ConfigurationError,
    );
  });
});
