import { setTimeout as sleep } from 'node:timers/promises';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DecryptionError } from '../../../src/errors.ts';
import { Seeded } from '../../support/seeded.ts';
import { boundProducts } from '../../support/shop/bound-products.ts';
import { createShop, type Shop } from '../../support/shop/platform.ts';
import { products } from '../../support/shop/schema.ts';
import { killableWork } from './killable-work.ts';

const rows = 40;
let shop: Shop;
let other: Shop['tenancy'];
let work: ReturnType<typeof killableWork>;

beforeAll(async () => {
  const compliance = { data_residency: ['us-east-1', 'eu-west-1'] };
  shop = await createShop({
    regions: ['us-east-1', 'eu-west-1'],
    tenants: [
      { id: 'acme', tier: 'standard', compliance },
      { id: 'initech', tier: 'enterprise', compliance },
      { id: 'bound', tier: 'standard', compliance },
    ],
  });
  other = await shop.open();
  work = killableWork(shop);
  for (const tenant of ['acme', 'initech', 'bound']) {
    await shop.tenancy.run(tenant, async () => {
      await shop.tenancy.db
        .insert(tableOf(tenant))
        .values(Array.from({ length: rows }, (_, n) => ({ sku: `sku-${n}`, stock: 0, supplierIban: `${tenant}-${n}-0` })));
    });
  }
}, 60_000);
afterAll(async () => await shop?.close());

/** The values of one tenant are bound to their rows. */
function tableOf(tenant: string) {
  return tenant === 'bound' ? boundProducts : products;
}

/** Two services read every row and write rows of their own all the time; what one last wrote is what is there. */
async function underLoad(tenant: string) {
  const table = tableOf(tenant);
  const all = await shop.tenancy.run(tenant, () => shop.tenancy.db.select({ id: table.id, sku: table.sku }).from(table));
  const ids = new Map(all.map(({ id, sku }) => [sku, id]));
  let running = true;
  const counts = { reads: 0, writes: 0 };
  const written = new Map<string, string>();
  const loops = [shop.tenancy, other].flatMap((tenancy, service) => [
    (async () => {
      while (running) {
        const found = await tenancy.run(tenant, () => tenancy.db.select().from(table));
        expect(found).toHaveLength(rows);
        for (const { sku, supplierIban } of found) expect(supplierIban?.startsWith(`${tenant}-${sku.slice(4)}-`)).toBe(true);
        counts.reads += 1;
        // The process that is killed needs the processor too.
        await sleep(40);
      }
    })(),
    (async () => {
      for (let turn = 1; running; turn++) {
        const n = service + 2 * (turn % 10);
        const value = `${tenant}-${n}-${service}.${turn}`;
        await tenancy.run(tenant, () =>
          tenancy.db
            .update(table)
            .set({ supplierIban: value })
            .where(eq(table.id, ids.get(`sku-${n}`)!)),
        );
        written.set(`sku-${n}`, value);
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
      const found = await shop.tenancy.run(tenant, () => shop.tenancy.db.select().from(table));
      for (const { sku, supplierIban } of found) if (written.has(sku)) expect(supplierIban).toBe(written.get(sku));
    },
  };
}

test.each([
  ['acme', 10],
  ['bound', 5],
])(
  'a rotation of %s that is killed at any message goes on; every row is readable throughout and no write is lost',
  async (tenant, times) => {
    const random = new Seeded(7);
    const load = await underLoad(tenant);
    let kills = 0;
    let rotations = 0;
    try {
      while (kills < times) {
        const end = await work({ tenant, what: { rotate: true }, diesAt: 1 + random.below(90) });
        if (end === null) kills += 1;
        if (end === 0) rotations += 1;
      }
      await expect.poll(async () => await work({ tenant, what: { rotate: true }, diesAt: 0 }), { timeout: 60_000 }).toBe(0);
      rotations += 1;
    } finally {
      await load.end();
    }
    expect(load.counts.reads).toBeGreaterThan(kills);
    expect(load.counts.writes).toBeGreaterThan(kills);
    const [status] = await shop.control.keyStatus(tenant);
    expect(status!.rotation).toMatchObject({ step: 'done', version: rotations + 1 });
    expect(status!.dataKeys.filter(({ state }) => state !== 'retired').map(({ version }) => version)).toEqual([rotations + 1]);
  },
  170_000,
);

test('a move that is killed at any message goes on; a read finds keys throughout', async () => {
  const random = new Seeded(11);
  const load = await underLoad('initech');
  const providers = ['local/eu-west-1', 'local/us-east-1'];
  let at = 0;
  try {
    for (let kills = 0; kills < 6; ) {
      const end = await work({ tenant: 'initech', what: { move: providers[at % 2]! }, diesAt: 1 + random.below(40) });
      if (end === null) kills += 1;
      if (end === 0) at += 1;
    }
    await expect
      .poll(async () => await work({ tenant: 'initech', what: { move: providers[at % 2]! }, diesAt: 0 }), { timeout: 60_000 })
      .toBe(0);
  } finally {
    await load.end();
  }
  const [status] = await shop.control.keyStatus('initech');
  expect(status!.keks.filter(({ wraps }) => wraps > 0)).toMatchObject([{ provider: providers[at % 2], wraps: 2, state: 'enabled' }]);
  expect(status!.keks.filter(({ wraps, state }) => wraps === 0 && state === 'enabled')).toEqual([]);
}, 170_000);

test('a shredding that is killed either has not begun or is gone on with', async () => {
  const random = new Seeded(13);
  const readOrRefused = async (tenancy: Shop['tenancy']): Promise<string> =>
    await tenancy
      .run('initech', () => tenancy.db.select().from(products))
      .then(
        (found) => (found.every(({ sku, supplierIban }) => supplierIban?.startsWith(`initech-${sku.slice(4)}-`)) ? 'whole' : 'wrong'),
        (error: unknown) => (error instanceof DecryptionError ? 'gone' : String(error)),
      );
  let kills = 0;
  while (kills < 4) {
    const end = await work({ tenant: 'initech', what: { shred: true }, diesAt: 6 + random.below(24) });
    if (end === null) kills += 1;
    else if (end === 0) break;
    const shredded = (await shop.control.keyStatus('initech'))[0]!.shreddedAt !== undefined;
    for (const tenancy of [shop.tenancy, other]) {
      await expect.poll(() => readOrRefused(tenancy), { timeout: 10_000 }).toBe(shredded ? 'gone' : 'whole');
    }
  }
  expect(kills).toBeGreaterThan(0);
  await expect.poll(async () => await work({ tenant: 'initech', what: { shred: true }, diesAt: 0 }), { timeout: 60_000 }).toBe(0);
  for (const tenancy of [shop.tenancy, other]) expect(await readOrRefused(tenancy)).toBe('gone');
}, 120_000);
