import { inspect } from 'node:util';
import { eq, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { accounts, suppliers } from '../integration/database/sample-schema.ts';
import { type SampleWorld, sampleWorld } from '../integration/database/sample-world.ts';
import { runAs } from '../support/direct-route.ts';

let world: SampleWorld;
beforeAll(async () => {
  world = await sampleWorld();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

const secret = 'DE89370400440532013000';

it('stores ciphertext and reads plaintext, in every way to read', async () => {
  const { db } = world.scoped;
  await runAs('alpha', async () => {
    const made = await db
      .insert(suppliers)
      .values({ id: 1, productId: 1, name: 'acme', iban: secret, address: { city: 'Köln' }, logo: Buffer.from([0, 1, 255]) })
      .returning();
    expect(made).toMatchObject([{ iban: secret, address: { city: 'Köln' }, logo: Buffer.from([0, 1, 255]) }]);
    await db.insert(suppliers).values({ id: 2, productId: 1, name: 'none' });
    expect(await db.select({ iban: suppliers.iban }).from(suppliers).orderBy(suppliers.id)).toEqual([{ iban: secret }, { iban: null }]);
    expect(await db.select({ id: accounts.id, iban: accounts.iban }).from(accounts).orderBy(accounts.id)).toEqual([
      { id: 1, iban: secret },
      { id: 2, iban: null },
    ]);
    const vault = alias(accounts, 'vault');
    expect(
      await db.select({ iban: vault.iban }).from(suppliers).innerJoin(vault, eq(vault.id, suppliers.id)).orderBy(suppliers.id),
    ).toEqual([{ iban: secret }, { iban: null }]);
    const inner = db.select({ id: suppliers.id, iban: suppliers.iban }).from(suppliers).as('inner_q');
    expect(await db.select({ iban: inner.iban }).from(inner).where(eq(inner.id, 1))).toEqual([{ iban: secret }]);
    expect(
      await db.query.suppliers.findFirst({ columns: { iban: true, address: true }, with: { product: { columns: { id: true } } } }),
    ).toEqual({ iban: secret, address: { city: 'Köln' }, product: { id: 1 } });
    const nested = await db.query.products.findMany({
      columns: { id: true },
      with: { suppliers: { columns: { iban: true, logo: true } } },
      orderBy: (t) => t.id,
      limit: 1,
    });
    expect(nested).toEqual([
      {
        id: 1,
        suppliers: [
          { iban: secret, logo: Buffer.from([0, 1, 255]) },
          { iban: null, logo: null },
        ],
      },
    ]);
    const [updated] = await db.update(suppliers).set({ iban: 'new' }).where(eq(suppliers.id, 2)).returning({ iban: suppliers.iban });
    expect(updated).toEqual({ iban: 'new' });
    await db
      .insert(suppliers)
      .values({ id: 2, name: 'x', iban: 'y' })
      .onConflictDoUpdate({ target: suppliers.id, set: { iban: 'upserted' } });
    expect(
      await db
        .select({ iban: sql<string>`(select 1)`.mapWith(String), raw: suppliers.iban })
        .from(suppliers)
        .where(eq(suppliers.id, 2)),
    ).toEqual([{ iban: '1', raw: 'upserted' }]);
  });
  const stored = await world.admin.unsafe('select iban, address from pool.suppliers where id = 1');
  expect((stored[0]!['iban'] as Buffer)[0]).toBe(0xe1);
  expect(Buffer.concat([stored[0]!['iban'], stored[0]!['address']]).toString('latin1')).not.toMatch(/DE89|K.{1,2}ln/);
});

it('a prepared query with a constant value writes it under the executing tenant’s key', async () => {
  const { db } = world.scoped;
  const { prepared } = await runAs('alpha', () => ({
    prepared: db
      .insert(suppliers)
      .values({ id: 10, name: 'constant', iban: secret, address: sql.placeholder('address') })
      .prepare('insert_supplier'),
  }));
  for (const tenant of ['alpha', 'beta'] as const) await runAs(tenant, () => prepared.execute({ address: { city: tenant } }));
  for (const tenant of ['alpha', 'beta'] as const) {
    expect(
      await runAs(tenant, () =>
        db.select({ iban: suppliers.iban, address: suppliers.address }).from(suppliers).where(eq(suppliers.id, 10)),
      ),
    ).toEqual([{ iban: secret, address: { city: tenant } }]);
  }
  // Control: under its neighbour's key a row does not open. Beta's ciphertext is put into alpha's row by the superuser.
  await world.admin.unsafe(
    `update pool.suppliers a set iban = b.iban from pool.suppliers b where a.tenant_id = 'alpha' and b.tenant_id = 'beta' and a.id = 10 and b.id = 10`,
  );
  await expect(runAs('alpha', () => db.select({ iban: suppliers.iban }).from(suppliers).where(eq(suppliers.id, 10)))).rejects.toMatchObject(
    { code: 'DECRYPTION', auditId: expect.any(String) },
  );
  expect(world.sink.events.at(-1)).toMatchObject({ action: 'key', outcome: 'refused', tenantId: 'alpha', errorCode: 'DECRYPTION' });
});

it('a ciphertext moved to another column does not open', async () => {
  const { db } = world.scoped;
  await runAs('gamma', () => db.insert(suppliers).values({ id: 1, name: 'x', iban: '"moved"' }));
  expect(await runAs('gamma', () => db.select({ iban: suppliers.iban }).from(suppliers))).toEqual([{ iban: '"moved"' }]);
  await world.admin.unsafe(`update pool.suppliers set address = iban where tenant_id = 'gamma'`);
  await expect(runAs('gamma', () => db.select({ address: suppliers.address }).from(suppliers))).rejects.toMatchObject({
    code: 'DECRYPTION',
  });
});

it('keys that were evicted between compile and mapping are fetched again', async () => {
  const { db } = world.scoped;
  const mapped = db
    .select({ iban: sql`null`.mapWith(suppliers.iban), name: suppliers.name })
    .from(suppliers)
    .prepare('m');
  await expect(runAs('beta', () => mapped.execute())).resolves.toBeDefined();
});

it('plaintext stands in no text, log, inspection or JSON of a query', () => {
  const query = world.scoped.db.insert(suppliers).values({ id: 1, name: 'x', iban: secret }).toSQL();
  expect(inspect(query, { depth: 10, showHidden: true })).not.toContain(secret);
  expect(JSON.stringify(query)).not.toContain(secret);
  const marker = query.params.find((param) => typeof param === 'object' && param !== null) as object;
  expect(() => String(marker)).toThrow(/can't be written/);
});
