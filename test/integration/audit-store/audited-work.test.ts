import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuditEvent } from '../../../src/audit/audit-event.ts';
import { PolicyViolationError } from '../../../src/errors.ts';
import { createShop, type Shop } from '../../support/shop/platform.ts';
import { products } from '../../support/shop/schema.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await createShop({
    tenants: [
      { id: 'acme', tier: 'standard' },
      { id: 'globex', tier: 'standard' },
    ],
  });
});
afterAll(async () => {
  await shop?.close();
});

test('a refused attempt is recorded although its transaction is rolled back', async () => {
  const { tenancy, control } = shop;
  let error: unknown;
  await tenancy.run(
    'acme',
    async () => {
      await tenancy.db
        .transaction(async (tx) => {
          await tx.insert(products).values({ sku: 'GONE', stock: 1 });
          await tenancy.sql`update products set tenant_id = 'globex' where sku = 'GONE'`;
        })
        .catch((thrown: unknown) => {
          error = thrown;
        });
      expect(await tenancy.db.$count(products, eq(products.sku, 'GONE'))).toBe(0);
    },
    { requestId: 'r-roll' },
  );
  expect(error).toBeInstanceOf(PolicyViolationError);
  expect(await control.auditEntries({ requestId: 'r-roll' })).toMatchObject([
    {
      id: (error as PolicyViolationError).auditId,
      action: 'query.policy',
      outcome: 'refused',
      tenantId: 'acme',
      errorCode: '42501',
      statementFingerprint: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      link: { seq: expect.any(Number) as number },
    },
  ]);
});

test('work across tenants is recorded before it begins and closed with what it touched', async () => {
  const { tenancy, control } = shop;
  for (const id of ['acme', 'globex']) {
    await tenancy.run(id, async () => {
      await tenancy.db.insert(products).values(['A', 'B', 'C'].map((sku) => ({ sku: `${id}-${sku}`, stock: 1 })));
    });
  }
  const request = { actor: 'ada', reason: 'recount', tenants: ['acme', 'globex'], requestId: 'r-across' } as const;
  let seen: readonly AuditEvent[] = [];
  await tenancy.acrossTenants(request, async ({ id }) => {
    if (id === 'globex') seen = await control.auditEntries({ requestId: 'r-across', outcome: 'allowed' });
    await tenancy.db.select().from(products);
    await tenancy.db.transaction(async (tx) => {
      await tx.update(products).set({ stock: sql`${products.stock} + 1` });
      await tenancy.sql`delete from products where sku like '%-C'`;
    });
  });
  // The whole, and each tenant, before its callback.
  expect(seen.map(({ targetTenantId }) => targetTenantId)).toEqual(['globex', 'acme', undefined]);
  const closed = await control.auditEntries({ requestId: 'r-across', outcome: 'completed', actor: 'ada' });
  expect(closed.map(({ targetTenantId, detail }) => [targetTenantId, detail])).toEqual([
    [undefined, { grant: seen[2]?.id, tenants: 2, done: 2, statements: 6, rowsRead: 6, rowsWritten: 8 }],
    ['globex', { grant: seen[0]?.id, statements: 3, rowsRead: 3, rowsWritten: 4 }],
    ['acme', { grant: seen[1]?.id, statements: 3, rowsRead: 3, rowsWritten: 4 }],
  ]);
  await expect(
    tenancy.acrossTenants({ ...request, tenants: ['acme'], requestId: 'r-fails' }, async () => {
      await tenancy.db.select().from(products);
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(await control.auditEntries({ requestId: 'r-fails', outcome: 'failed' })).toMatchObject([
    { targetTenantId: undefined, detail: { tenants: 1, done: 0, statements: 1, rowsRead: 2 } },
    { targetTenantId: 'acme', detail: { statements: 1, rowsRead: 2 } },
  ]);
});

test('rows that a COPY gave away are counted, in every format and as far as it was read', async () => {
  const { tenancy, control } = shop;
  await tenancy.run('globex', () =>
    tenancy.db.insert(products).values(['\n', '"', ',', 'x'].map((sku) => ({ sku: `copy${sku}`, stock: 1 }))),
  );
  const request = { actor: 'ada', reason: 'export', tenants: ['globex'], requestId: 'r-copy' } as const;
  await tenancy.acrossTenants(request, async () => {
    for (const options of [{ header: true }, { format: 'text' }, { format: 'binary' }] as const) {
      for await (const _ of tenancy.sql`select sku, stock, null from products where sku like 'copy%'`.copyTo(options));
    }
  });
  const [whole, each] = await control.auditEntries({ requestId: 'r-copy', outcome: 'completed' });
  expect(each?.detail).toMatchObject({ statements: 3, rowsRead: 12, rowsWritten: 0 });
  expect(whole?.detail).toMatchObject({ tenants: 1, done: 1, statements: 3, rowsRead: 12, rowsWritten: 0 });
  await tenancy.acrossTenants({ ...request, requestId: 'r-early' }, async () => {
    for await (const _ of tenancy.sql`select n from generate_series(1, 5000000) n`.copyTo({ format: 'text' })) break;
  });
  const early = (await control.auditEntries({ requestId: 'r-early', outcome: 'completed' }))[0]!.detail;
  expect(early['statements']).toBe(1);
  expect(early['rowsRead']).toBeGreaterThan(0);
  expect(early['rowsRead']).toBeLessThan(5_000_000);
});

test('the platform’s own log is in order after all of this, and `auditVerify` says when it is not', async () => {
  const { control } = shop;
  const report = await control.auditVerify();
  // The control plane and the service.
  expect(report).toMatchObject({ ok: true, findings: [], writers: 2, beforeChain: 0 });
  expect(report.entries).toBeGreaterThan(10);
});

test('what arrives is told as it does, by filter, and an export has it all in order', async () => {
  const { tenancy, control } = shop;
  const stop = new AbortController();
  const told: string[] = [];
  const tail = (async () => {
    for await (const { requestId } of control.auditTail({ outcome: 'refused', tenantId: 'acme' }, stop.signal)) {
      told.push(requestId ?? '');
      if (requestId === 'tail-3') stop.abort();
    }
  })();
  const nested = async (requestId: string) =>
    await tenancy.run('acme', async () => await tenancy.run('globex', () => 1).catch(() => {}), { requestId });
  // A tail begins when it is first read; until it tells, it may not have begun.
  for (let n = 0; told.length === 0; n++) await nested(`warm-${n}`);
  for (const n of [1, 2, 3]) await nested(`tail-${n}`);
  await tail;
  expect(told.filter((id) => id.startsWith('tail'))).toEqual(['tail-1', 'tail-2', 'tail-3']);
  expect(new Set(told).size).toBe(told.length);
  const exported: string[] = [];
  for await (const { requestId } of control.auditExport({ outcome: 'refused', requestId: 'tail-2' })) exported.push(requestId ?? '');
  expect(exported).toEqual(['tail-2']);
  let all = 0;
  for await (const _ of control.auditExport()) all++;
  expect(all).toBe((await control.auditEntries({ limit: 10_000 })).length);
});
