import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ClosedError, NoTenantError, ResidencyError, TenantInactiveError, UnknownTenantError } from '../../../src/errors.ts';
import { withClient } from '../../../src/provision/admin-client.ts';
import { adminUrl } from '../../support/server.ts';
import { createShop, type Shop } from '../../support/shop/platform.ts';
import { currencies, orders, products } from '../../support/shop/schema.ts';

const tenants = ['acme', 'globex', 'initech', 'umbrella'] as const;

describe('from configuration to isolated, encrypted, audited rows', () => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await createShop({ regions: ['us-east-1', 'eu-west-1'] });
  });
  afterAll(async () => {
    await shop?.close();
  });

  test('each tier is placed where it belongs', async () => {
    const placed = await Promise.all(tenants.map(async (id) => (await shop.control.tenant(id)).placement));
    expect(placed.map((placement) => placement?.isolation)).toEqual(['schema', 'schema', 'database', 'database']);
    expect(new Set(placed.map((placement) => placement?.database)).size).toBe(3);
    expect(placed.at(3)?.clusterId).toBe('us-east-1-dedicated');
  });

  test('every tenant sees its own rows only, with colliding keys, in every shape of query', async () => {
    const { tenancy } = shop;
    for (const [index, id] of tenants.entries()) {
      await tenancy.run(id, async () => {
        const [lamp] = await tenancy.db
          .insert(products)
          .values([
            { sku: 'LAMP', stock: index, supplierIban: `IBAN-${id}` },
            { sku: 'DESK', stock: 100 + index },
          ])
          .returning();
        await tenancy.db.insert(orders).values({ productId: lamp!.id, quantity: index + 1, currency: 'EUR' });
      });
    }
    for (const [index, id] of tenants.entries()) {
      await tenancy.run(id, async () => {
        expect(
          await tenancy.db.select({ stock: products.stock, iban: products.supplierIban }).from(products).where(eq(products.sku, 'LAMP')),
        ).toEqual([{ stock: index, iban: `IBAN-${id}` }]);
        expect(await tenancy.db.$count(products)).toBe(2);
        expect(
          await tenancy.db.query.products.findMany({
            columns: { sku: true },
            with: { orders: { columns: { quantity: true } } },
            orderBy: (t, { asc }) => asc(t.sku),
          }),
        ).toEqual([
          { sku: 'DESK', orders: [] },
          { sku: 'LAMP', orders: [{ quantity: index + 1 }] },
        ]);
        expect(
          await tenancy.db
            .select({ sku: products.sku, currency: currencies.name })
            .from(orders)
            .innerJoin(products, eq(orders.productId, products.id))
            .innerJoin(currencies, eq(orders.currency, currencies.code)),
        ).toEqual([{ sku: 'LAMP', currency: 'Euro' }]);
        expect(await tenancy.sql`select stock from products where sku = ${'LAMP'}`).toEqual([{ stock: index }]);
        const updated = await tenancy.db
          .update(products)
          .set({ stock: sql`${products.stock} + 1` })
          .where(eq(products.sku, 'DESK'))
          .returning({ stock: products.stock });
        expect(updated).toEqual([{ stock: 101 + index }]);
      });
    }
  });

  test('a column that is encrypted is ciphertext to the database', async () => {
    const placement = (await shop.control.tenant('acme')).placement!;
    await withClient(adminUrl(placement.database), async (admin) => {
      const [row] = await admin<{ iban: Buffer }[]>`select supplier_iban as iban from acme.products where sku = 'LAMP'`;
      expect(row?.iban.toString('latin1')).not.toContain('IBAN');
      expect(row?.iban.length).toBeGreaterThan(70);
    });
  });

  test('a transaction is kept whole or not at all, joins the ambient database, and nests', async () => {
    const { tenancy } = shop;
    await tenancy.run('globex', async () => {
      await expect(
        tenancy.db.transaction(async (tx) => {
          await tx.insert(products).values({ sku: 'GONE', stock: 1 });
          throw new Error('no');
        }),
      ).rejects.toThrow('no');
      await tenancy.db.transaction(async (tx) => {
        await tx.insert(products).values({ sku: 'KEPT', stock: 1 });
        expect(await tenancy.db.$count(products, eq(products.sku, 'KEPT'))).toBe(1);
        await tx
          .transaction(async (inner) => {
            await inner.insert(products).values({ sku: 'INNER', stock: 1 });
            throw new Error('inner');
          })
          .catch(() => {});
      });
      expect((await tenancy.db.select({ sku: products.sku }).from(products)).map(({ sku }) => sku).sort()).toEqual([
        'DESK',
        'KEPT',
        'LAMP',
      ]);
    });
  });

  test('the configuration is at hand, and nothing outside a scope', async () => {
    const { tenancy } = shop;
    expect(tenancy.currentOrNull()).toBeNull();
    expect(() => tenancy.current()).toThrow(NoTenantError);
    await tenancy.run('acme', async () => {
      expect(tenancy.current().config.tier).toBe('standard');
      expect(tenancy.currentOrNull()?.id).toBe('acme');
    });
  });

  test('unknown and suspended tenants are refused, and a resumed one served again', async () => {
    const { tenancy, control } = shop;
    await expect(tenancy.run('nobody', () => 1)).rejects.toThrow(UnknownTenantError);
    await control.setStatus('acme', 'suspended');
    await expect
      .poll(() => tenancy.run('acme', () => 'served').catch((error: unknown) => error), { timeout: 5_000 })
      .toBeInstanceOf(TenantInactiveError);
    const refusal = await tenancy.run('acme', () => 1).catch((error: unknown) => error);
    const entries = await control.auditEntries({ action: 'scope.inactive' });
    expect(entries.map(({ id }) => id)).toContain((refusal as TenantInactiveError).auditId);
    await control.setStatus('acme', 'active');
    await expect.poll(() => tenancy.run('acme', () => 'served').catch(() => 'refused'), { timeout: 5_000 }).toBe('served');
  });

  test('a region that the tenant does not allow is refused before a connection opens, and audited', async () => {
    const elsewhere = await shop.open({ runtime: { region: 'eu-west-1', applicationName: 'elsewhere' } });
    const error = await elsewhere.run('acme', () => elsewhere.db.select().from(products)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ResidencyError);
    const entries = await shop.control.auditEntries({ action: 'residency' });
    expect(entries.map(({ id }) => id)).toContain((error as ResidencyError).auditId);
    await withClient(adminUrl(), async (admin) => {
      const sessions = await admin`select datname from pg_stat_activity where application_name = 'elsewhere'`;
      expect(sessions).toEqual([]);
    });
  });

  test('acrossTenants visits one tenant at a time, each recorded before it began', async () => {
    const { tenancy, control } = shop;
    const before = new Date();
    const seen: string[] = [];
    const counts = await tenancy.acrossTenants({ actor: 'nightly-report', reason: 'stock count', tenants: 'all' }, async (tenant) => {
      const recorded = await control.auditEntries({ action: 'across-tenants', outcome: 'allowed', tenantId: tenant.id, since: before });
      expect(recorded.length).toBe(1);
      const [signed] = await tenancy.sql<{ grant: string }>`select split_part(current_setting('tenancy.context'), ':', 7) as grant`;
      expect(signed?.grant).toBe(recorded[0]?.id);
      seen.push(tenant.id);
      return await tenancy.db.$count(products);
    });
    expect(seen).toEqual([...tenants]);
    expect(counts.get('initech')).toBe(2);
    const completed = await control.auditEntries({ action: 'across-tenants', outcome: 'completed', since: before });
    expect(completed.length).toBe(5);
    // The last entry closes the whole.
    expect(completed[0]).toMatchObject({ targetTenantId: undefined, detail: { tenants: 4, done: 4 } });
    expect(completed[0]).toMatchObject({ actor: 'nightly-report', reason: 'stock count' });
  });

  test('provisioning again does nothing, and verify finds nothing', async () => {
    expect((await shop.control.provision({ id: 'acme', name: 'acme', tier: 'standard', region: 'us-east-1' })).created).toBe(false);
    const report = await shop.control.verify();
    expect(report.findings).toEqual([]);
    expect(report.checked).toBeGreaterThan(50);
  });

  test('a closed tenancy rejects every scope, and throws none', async () => {
    const closed = await shop.open();
    await closed.close();
    const attempts = [
      closed.run('acme', () => 1),
      closed.acrossTenants({ actor: 'nightly-report', reason: 'stock count', tenants: 'all' }, () => 1),
    ];
    for (const attempt of attempts) await expect(attempt).rejects.toThrow(ClosedError);
  });
});
