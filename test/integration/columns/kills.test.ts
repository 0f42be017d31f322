import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Adoption,
  createAdoption,
  expected,
  insertPlaintext,
  pastLibrary,
  readByName,
  schema,
} from '../../support/adoption/platform.ts';
import { customers } from '../../support/adoption/schema.ts';
import { Seeded } from '../../support/seeded.ts';
import { killableWork } from '../keys/killable-work.ts';

const rows = 40;
let platform: Adoption;
let other: Adoption['tenancy'];
let work: ReturnType<typeof killableWork>;

beforeAll(async () => {
  platform = await createAdoption([
    { id: 'acme', tier: 'standard' },
    { id: 'pool-a', tier: 'pool' },
  ]);
  other = await platform.open();
  work = killableWork(platform);
  for (const tenant of ['acme', 'pool-a']) await insertPlaintext(platform, tenant, rows);
}, 60_000);
afterAll(async () => await platform?.close());

/** Two services read every row and write rows of their own all the time; what one last wrote is what is there. */
function underLoad(tenant: string) {
  let running = true;
  const counts = { reads: 0, writes: 0 };
  const written = new Map<string, string>();
  const wholeOf = (name: string) => ({ ...expected(tenant, Number(name.slice(2))) });
  const loops = [platform.tenancy, other].flatMap((tenancy, service) => [
    (async () => {
      while (running) {
        const found = await readByName(tenancy, tenant);
        if (found.size !== rows) throw new Error(`${found.size} rows were read`);
        for (const [name, row] of found) {
          const whole = wholeOf(name);
          if (!row.note.startsWith(whole.note) || !isDeepStrictEqual({ ...row, note: whole.note }, whole))
            throw new Error(`${name} is not what it was`);
        }
        counts.reads += 1;
        await sleep(40);
      }
    })(),
    (async () => {
      for (let turn = 1; running; turn++) {
        const n = service + 2 * (turn % 10);
        const note = `${tenant} note ${n} é ${service}.${turn}`;
        await tenancy.run(tenant, () =>
          tenancy.db
            .update(customers)
            .set({ note })
            .where(eq(customers.name, `c-${n}`)),
        );
        written.set(`c-${n}`, note);
        counts.writes += 1;
        await sleep(40);
      }
    })(),
  ]);
  return {
    counts,
    async end(): Promise<void> {
      running = false;
      await Promise.all(loops);
      for (const [name, row] of await readByName(platform.tenancy, tenant)) {
        const whole = wholeOf(name);
        expect(row).toEqual({ ...whole, note: written.get(name) ?? whole.note });
      }
    },
  };
}

test('a backfill that is killed at any message goes on: every row readable throughout, no write lost', async () => {
  const random = new Seeded(17);
  const load = underLoad('acme');
  let kills = 0;
  const left: number[] = [];
  try {
    while (kills < 7) {
      const end = await work({ tenant: 'acme', what: { columns: 'backfill' }, diesAt: 40 + random.below(180) });
      if (end === null) kills += 1;
      const [status] = await platform.control.columns.status({ schema, tenants: ['acme'] });
      left.push(status!.columns.reduce((sum, { plaintext }) => sum + plaintext, 0));
      if (left.at(-1) === 0) break;
    }
    await expect.poll(async () => await work({ tenant: 'acme', what: { columns: 'backfill' }, diesAt: 0 }), { timeout: 60_000 }).toBe(0);
  } finally {
    await load.end();
  }
  // Most of the deaths came in the middle.
  expect(left.filter((n) => n > 0 && n < 6 * rows - 20).length).toBeGreaterThan(2);
  expect(Math.min(load.counts.reads, load.counts.writes)).toBeGreaterThan(kills);
  const [status] = await platform.control.columns.status({ schema, tenants: ['acme'] });
  for (const { plaintext, untagged } of status!.columns) expect({ plaintext, untagged }).toEqual({ plaintext: 0, untagged: 0 });
}, 170_000);

test('a contract that is killed at any message goes on, and no service notices', async () => {
  await platform.control.columns.backfill({ schema, tenants: ['pool-a'] });
  const random = new Seeded(19);
  const load = underLoad('pool-a');
  let kills = 0;
  try {
    while (kills < 5) {
      const end = await work({ tenant: 'pool-a', what: { columns: 'contract' }, diesAt: 20 + random.below(60) });
      if (end === null) kills += 1;
      if (end === 0) break;
    }
    await expect.poll(async () => await work({ tenant: 'pool-a', what: { columns: 'contract' }, diesAt: 0 }), { timeout: 60_000 }).toBe(0);
  } finally {
    await load.end();
  }
  expect(kills).toBeGreaterThan(0);
  await pastLibrary(platform, 'pool-a', async (sql, table) => {
    const checks = await sql`
      select convalidated as valid from pg_constraint where conrelid = 'pool.customers'::regclass and conname like '%adopted'`;
    expect(checks.map(({ valid }) => valid)).toEqual([true, true, true, true, true, true]);
    await expect(sql.unsafe(`update ${table} set note = 'late', note_encrypted = null`)).rejects.toMatchObject({ code: '23514' });
  });
}, 170_000);
