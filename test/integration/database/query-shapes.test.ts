import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runAs } from '../../support/direct-route.ts';
import { indifferent, readShapes, writeShapes } from './query-shapes.ts';
import { type SampleWorld, type StockDatabase, sampleWorld } from './sample-world.ts';

const tables = ['products', 'orders', 'archive', 'suppliers', 'notes'];

let world: SampleWorld;
const copies = new Map<string, StockDatabase>();
let everybody: StockDatabase;

beforeAll(async () => {
  world = await sampleWorld();
  for (const tenant of world.tenants) copies.set(tenant, await world.stockOn(tenant));
  everybody = await world.stockOn('pool');
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

/** Plain data: without drizzle's or our extra properties on arrays. */
function plain(rows: unknown): unknown {
  return JSON.parse(JSON.stringify(rows ?? null));
}

function sorted(rows: unknown): unknown {
  return Array.isArray(rows) ? rows.map((row) => JSON.stringify(row)).sort() : rows;
}

describe('reads answer what stock drizzle answers over the tenant’s rows alone', () => {
  for (const [name, shape] of Object.entries(readShapes)) {
    it(name, async () => {
      const leaks: boolean[] = [];
      for (const tenant of world.tenants) {
        const expected = plain(await shape(copies.get(tenant)!));
        for (const { db } of [world.scoped, world.laned])
          expect(plain(await runAs(tenant, () => shape(db as never))), tenant).toEqual(expected);
        leaks.push(
          JSON.stringify(
            sorted(
              plain(
                await shape(everybody).then(
                  (rows) => rows,
                  () => 'error',
                ),
              ),
            ),
          ) !== JSON.stringify(sorted(expected)),
        );
      }
      // The control: over everybody's rows stock drizzle answers otherwise, so that the comparison can fail.
      if (!indifferent.has(name)) expect(leaks).toContain(true);
    });
  }
});

describe('writes do what stock drizzle does to the tenant’s rows alone, and touch nobody else’s', () => {
  const undo = new Error('undo');

  async function stockEffect(db: StockDatabase, shape: (db: StockDatabase) => PromiseLike<unknown>, schema: string) {
    let answer: unknown;
    const after: Record<string, unknown> = {};
    await db
      .transaction(async (tx) => {
        answer = plain(await shape(tx as never));
        for (const table of tables) after[table] = sorted(plain(await tx.execute(`select to_jsonb(t) as row from ${schema}.${table} t`)));
        throw undo;
      })
      .catch((error: unknown) => {
        if (error !== undo) throw error;
      });
    return { answer, after };
  }

  for (const [name, shape] of Object.entries(writeShapes)) {
    it(name, async () => {
      for (const tenant of world.tenants) {
        const expected = await stockEffect(copies.get(tenant)!, shape, tenant);
        for (const { db } of [world.scoped, world.laned]) {
          let answer: unknown;
          const mine: Record<string, unknown> = {};
          const others: Record<string, unknown> = {};
          await runAs(tenant, () =>
            db.transaction(async (tx) => {
              answer = plain(await shape(tx as never));
              for (const table of tables) {
                mine[table] = sorted(plain(await tx.execute(`select to_jsonb(t) as row from ${table} t where tenant_id = '${tenant}'`)));
                others[table] = sorted(plain(await tx.execute(`select to_jsonb(t) as row from ${table} t where tenant_id <> '${tenant}'`)));
              }
              throw undo;
            }),
          ).catch((error: unknown) => {
            if (error !== undo) throw error;
          });
          expect(answer, tenant).toEqual(expected.answer);
          expect(mine, tenant).toEqual(expected.after);
          for (const table of tables) {
            expect(others[table], tenant).toEqual(
              sorted(plain(await world.admin.unsafe(`select to_jsonb(t) as row from pool.${table} t where tenant_id <> '${tenant}'`))),
            );
          }
        }
      }
    });
  }
});
