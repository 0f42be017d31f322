import { sql } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { Auditor } from '../../../src/audit/auditor.ts';
import type { Unit } from '../../../src/connection/lane.ts';
import type { LanePool } from '../../../src/connection/lane-pool.ts';
import { createScopedDatabase } from '../../../src/database/scoped-database.ts';
import { LaneLostError, PlanInvalidatedError } from '../../../src/errors.ts';
import type { Router } from '../../../src/routing/route.ts';
import { Telemetry } from '../../../src/telemetry/telemetry.ts';
import { archive, schema, suppliers } from '../../integration/database/sample-schema.ts';
import { DirectRouter, runAs, TestKeyRing } from '../../support/direct-route.ts';

/** A pool whose answers are written down: what reaches a lane is looked at here, not what PostgreSQL makes of it. */
class RecordingPool implements LanePool {
  readonly size = 1;
  readonly units: Unit[] = [];
  failures: Error[] = [];

  async run(unit: Unit) {
    this.units.push(unit);
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    return { rows: [], rowCount: 0, command: 'SELECT' };
  }

  async transaction(): Promise<never> {
    throw new Error('not here');
  }
  async close(): Promise<void> {}
}

const logged: { text: string; params: unknown[] }[] = [];
let pool: RecordingPool;
let keys: TestKeyRing;
let db: ReturnType<typeof createScopedDatabase<typeof schema>>['db'];
let raw: ReturnType<typeof createScopedDatabase<typeof schema>>['sql'];

beforeEach(() => {
  pool = new RecordingPool();
  keys = new TestKeyRing();
  logged.length = 0;
  ({ db, sql: raw } = createScopedDatabase({
    schema,
    router: new DirectRouter(pool, { alpha: 'alpha_schema', beta: 'we"ird' }),
    keys,
    auditor: new Auditor([]),
    telemetry: Telemetry.of(undefined, {
      logQuery: (text, params) => {
        logged.push({ text, params });
      },
    }),
  }));
});

describe('what reaches a lane', () => {
  it('a prepared query gets each tenant’s schema and id', async () => {
    const prepared = db.select({ id: archive.id }).from(archive).prepare('p');
    for (const tenant of ['alpha', 'beta', 'alpha']) await runAs(tenant, () => prepared.execute());
    expect(pool.units.map(({ statement, context }) => [context.tenantId, statement.text, statement.params])).toEqual([
      ['alpha', 'select "id" from "alpha_schema"."archive" where "archive"."tenant_id" = $1', ['alpha']],
      ['beta', 'select "id" from "we""ird"."archive" where "archive"."tenant_id" = $1', ['beta']],
      ['alpha', 'select "id" from "alpha_schema"."archive" where "archive"."tenant_id" = $1', ['alpha']],
    ]);
  });

  it('ORM statements are kept prepared and set no search_path; raw ones the other way round', async () => {
    await runAs('alpha', () => db.select().from(archive));
    await runAs('alpha', () => raw`select ${1}, ${[1, 2]}`);
    await runAs('alpha', () => db.execute(sql`select 1`));
    expect(pool.units.map(({ statement, context }) => [statement.prepare, statement.rows, context.raw, context.searchPath])).toEqual([
      [true, 'array', false, undefined],
      [false, 'object', true, '"alpha_schema", "reference", pg_temp'],
      [false, 'object', true, '"alpha_schema", "reference", pg_temp'],
    ]);
    expect(pool.units[1]!.statement).toMatchObject({ text: 'select $1, $2', params: [1, [1, 2]] });
  });

  it('a unit whose plan a migration invalidated runs once more, and not twice', async () => {
    pool.failures = [new PlanInvalidatedError('plan')];
    await expect(runAs('alpha', () => db.select().from(archive))).resolves.toEqual([]);
    expect(pool.units).toHaveLength(2);
    pool.failures = [new PlanInvalidatedError('plan'), new PlanInvalidatedError('plan')];
    await expect(runAs('alpha', () => db.select().from(archive))).rejects.toBeInstanceOf(PlanInvalidatedError);
    expect(pool.units).toHaveLength(4);
  });

  it('work that a replaced login let go unsent runs once on the tenant’s new pool; what was sent, or has nowhere else to go, fails', async () => {
    const lost = (sent: boolean) => new LaneLostError('lost', { sent });
    const serve = (failures: readonly Error[], replaced: boolean) => {
      const first = new RecordingPool();
      const second = replaced ? new RecordingPool() : first;
      first.failures = [...failures];
      const before = new DirectRouter(first, { alpha: 'alpha_schema' });
      const after = new DirectRouter(second, { alpha: 'alpha_schema' });
      let asked = 0;
      const router: Router = {
        cached: () => undefined,
        route: (id) => (asked++ === 0 ? before : after).route(id),
        close: async () => {},
      };
      const { db: served } = createScopedDatabase({ schema, router, keys, auditor: new Auditor([]) });
      return { first, second, work: () => runAs('alpha', () => served.select().from(archive)) };
    };
    const moved = serve([lost(false)], true);
    await expect(moved.work()).resolves.toEqual([]);
    expect([moved.first.units.length, moved.second.units.length]).toEqual([1, 1]);
    for (const [failures, replaced] of [
      [[lost(true)], true],
      [[lost(false)], false],
    ] as const) {
      const { first, second, work } = serve(failures, replaced);
      await expect(work()).rejects.toBeInstanceOf(LaneLostError);
      expect(new Set([...first.units, ...second.units]).size).toBe(1);
    }
  });

  it('the logger learns how many parameters there are, never which', async () => {
    await runAs('alpha', () => db.insert(archive).values({ id: 1, sku: 'secret', owner: 'secret' }));
    expect(logged).toHaveLength(1);
    expect(logged[0]!.params).toEqual(['…', '…', '…', '…']);
  });

  it('keys are fetched for statements that need them only, once per tenant', async () => {
    await runAs('alpha', () => db.select({ id: suppliers.id }).from(suppliers));
    expect(keys.loads).toBe(0);
    await runAs('alpha', () => db.select({ iban: suppliers.iban }).from(suppliers));
    await runAs('alpha', () => db.insert(suppliers).values({ id: 1, name: 'x', iban: 'DE89' }));
    expect(keys.loads).toBe(1);
    const stored = pool.units.at(-1)!.statement.params.find((param) => Buffer.isBuffer(param)) as Buffer;
    expect(stored.toString('latin1')).not.toContain('DE89');
  });

  it('no deferred parameter is left in what is sent', async () => {
    await runAs('alpha', () => db.insert(suppliers).values({ tenantId: 'alpha', id: 1, name: 'x', iban: 'y', address: { city: 'z' } }));
    for (const param of pool.units.flatMap(({ statement }) => statement.params))
      expect(param === null || Buffer.isBuffer(param) || typeof param !== 'object').toBe(true);
  });

  it('a tenant that the router does not know', async () => {
    await expect(runAs('delta', () => db.select().from(archive))).rejects.toMatchObject({ code: 'UNKNOWN_TENANT' });
    expect(pool.units).toHaveLength(0);
  });
});
