import { randomUUID } from 'node:crypto';
import { and, eq, inArray } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { AuditOptions } from '../../../src/audit-store/service-auditor.ts';
import { probeKeys } from '../../../src/lifecycle/key-probe.ts';
import { adminClient } from '../../support/server.ts';
import { databaseLogins } from '../../support/shop/database-logins.ts';
import { createShop, type Shop } from '../../support/shop/platform.ts';
import { poolTiers } from '../../support/shop/pool-tier.ts';
import { products } from '../../support/shop/schema.ts';

type Service = Shop['tenancy'];

describe('silent attempts', () => {
  let shop: Shop;
  const ids = { acme: randomUUID(), globex: randomUUID(), hooli: randomUUID() };

  beforeAll(async () => {
    const tenants = [...Object.keys(ids).map((id) => ({ id, tier: 'pool' })), { id: 'initech', tier: 'standard' }];
    shop = await createShop({ tiers: poolTiers, tenants });
    for (const [tenant, id] of Object.entries(ids)) {
      await shop.tenancy.run(tenant, () => shop.tenancy.db.insert(products).values({ id, sku: `sku-${tenant}`, stock: 1 }));
    }
  });
  beforeEach(async () => {
    await shop.control.auditSilentAttempts();
  });
  afterAll(async () => {
    await shop?.close();
  });

  /** Lets a service work and hand over what it noticed. */
  async function noticed(
    work: (service: Service) => Promise<unknown>,
    silentAttempts: AuditOptions['silentAttempts'] = true,
  ): Promise<void> {
    const service = await shop.open({ audit: { silentAttempts } });
    try {
      await work(service);
    } finally {
      await service.close();
    }
  }

  const entries = async (requestId: string) => await shop.control.auditEntries({ action: 'query.silent', requestId });

  test('an absent row, one’s own and another tenant’s are told apart', async () => {
    const find = async (service: Service, requestId: string, id: string) =>
      await service.run(
        'acme',
        () =>
          service.db
            .select()
            .from(products)
            .where(and(eq(products.id, id), eq(products.stock, 77))),
        { requestId },
      );
    const [absent, own, foreign] = [randomUUID(), ids.acme, ids.globex];
    const kinds = { absent, own, foreign };
    for (const [kind, id] of Object.entries(kinds)) {
      await noticed(async (service) => expect(await find(service, `r-${kind}`, id)).toEqual([]));
      expect(await shop.control.auditSilentAttempts()).toMatchObject({ asked: 1, [kind]: 1, unanswered: 0, forged: 0 });
    }
    const [first] = await entries('r-absent');
    expect(first).toMatchObject({ outcome: 'completed', tenantId: 'acme', targetTenantId: undefined, detail: { absent: 1, foreign: 0 } });
    expect((await entries('r-own'))[0]).toMatchObject({ outcome: 'completed', targetTenantId: undefined, detail: { own: 1, foreign: 0 } });
    const [attempt] = await entries('r-foreign');
    expect(attempt).toMatchObject({
      outcome: 'refused',
      tenantId: 'acme',
      targetTenantId: 'globex',
      statementFingerprint: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      detail: {
        table: 'products',
        key: 'id',
        primary: true,
        foreign: 1,
        seen: 1,
        fingerprints: expect.stringMatching(/^[0-9a-f]{16}$/) as string,
      },
    });
    for (const entry of [first, attempt]) {
      for (const id of Object.values(kinds)) expect(JSON.stringify(entry)).not.toContain(id);
    }
    expect(await shop.control.auditVerify()).toMatchObject({ ok: true });
  });

  const shapes: Record<string, (service: Service, id: string) => PromiseLike<unknown>> = {
    select: ({ db }, id) => db.select().from(products).where(eq(products.id, id)),
    'a list of keys': ({ db }, id) =>
      db
        .select()
        .from(products)
        .where(inArray(products.id, [randomUUID(), id])),
    update: ({ db }, id) => db.update(products).set({ stock: 0 }).where(eq(products.id, id)),
    delete: ({ db }, id) => db.delete(products).where(eq(products.id, id)).returning(),
    'a relational query': ({ db }, id) => db.query.products.findFirst({ where: eq(products.id, id), with: { orders: true } }),
    'a prepared query': ({ db }, id) => db.select().from(products).where(eq(products.id, id)).prepare('silent').execute(),
    'raw SQL': ({ sql }, id) => sql`select * from products where id = ${id}`,
    'a transaction that is rolled back': ({ db }, id) =>
      db
        .transaction(async (tx) => {
          await tx.delete(products).where(eq(products.id, id));
          tx.rollback();
        })
        .catch(() => []),
  };

  test.each(Object.keys(shapes))('%s: the caller sees the same, the audit log does not', async (name) => {
    const answers: unknown[] = [];
    for (const [kind, id] of [
      ['absent', randomUUID()],
      ['foreign', ids.globex],
    ] as const) {
      await noticed(async (service) => {
        answers.push(
          await service.run('acme', async () => structuredClone(await shapes[name]!(service, id)), { requestId: `${name} ${kind}` }),
        );
      });
      await shop.control.auditSilentAttempts();
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(await entries(`${name} absent`)).toMatchObject([{ outcome: 'completed' }]);
    expect(await entries(`${name} foreign`)).toMatchObject([{ outcome: 'refused', targetTenantId: 'globex' }]);
  });

  test('a key that several others have names none of them alone', async () => {
    for (const tenant of ['globex', 'hooli']) {
      await shop.tenancy.run(tenant, () => shop.tenancy.db.insert(products).values({ sku: 'common', stock: 1 }));
    }
    await noticed(async (service) => {
      await service.run('acme', () => service.db.select().from(products).where(eq(products.sku, 'common')), { requestId: 'r-common' });
    });
    await shop.control.auditSilentAttempts();
    expect(await entries('r-common')).toMatchObject([
      { outcome: 'refused', targetTenantId: undefined, detail: { key: 'sku', primary: false } },
    ]);
  });

  test('one run makes one entry for a tenant, table and key, and lists whom it concerns', async () => {
    await noticed(async (service) => {
      for (const [requestId, id] of [
        ['r-1', ids.globex],
        ['r-2', ids.hooli],
        ['r-3', randomUUID()],
      ] as const) {
        await service.run('acme', () => service.db.select().from(products).where(eq(products.id, id)), { requestId });
      }
    });
    expect(await shop.control.auditSilentAttempts()).toMatchObject({ asked: 3, absent: 1, foreign: 2 });
    const [entry] = await shop.control.auditEntries({ action: 'query.silent', limit: 1 });
    expect(entry?.detail).toMatchObject({ asked: 3, absent: 1, foreign: 2, requests: 'r-1,r-2', targets: 'globex,hooli' });
    expect(entry?.targetTenantId).toBeUndefined();
  });

  test('a flood is sampled, and said to be', async () => {
    await noticed(
      async (service) => {
        await service.run('acme', async () => {
          await Promise.all(Array.from({ length: 500 }, () => service.db.select().from(products).where(eq(products.id, randomUUID()))));
        });
      },
      { everyMs: 60_000, perTenant: 7 },
    );
    expect(await shop.control.auditSilentAttempts()).toMatchObject({ asked: 7, absent: 7 });
    const [entry] = await shop.control.auditEntries({ action: 'query.silent', limit: 1 });
    expect(entry?.detail).toMatchObject({ asked: 7, seen: 500 });
  });

  test('off, or where tenants share no table, nothing is asked', async () => {
    const look = async (service: Service, tenant: string) =>
      await service.run(tenant, () => service.db.select().from(products).where(eq(products.id, ids.globex)));
    await noticed(async (service) => await look(service, 'acme'), false);
    await noticed(async (service) => await look(service, 'initech'));
    expect(await shop.control.auditSilentAttempts()).toMatchObject({ asked: 0 });
    // What comes back with something is nobody's attempt.
    await noticed(async (service) => expect(await look(service, 'globex')).toHaveLength(1));
    expect(await shop.control.auditSilentAttempts()).toMatchObject({ asked: 0 });
  });

  test('it is handed over while the service runs, too', async () => {
    const service = await shop.open({ audit: { silentAttempts: { everyMs: 10 } } });
    await service.run('acme', () => service.db.select().from(products).where(eq(products.id, ids.globex)));
    let found = 0;
    while (found === 0) found = (await shop.control.auditSilentAttempts()).foreign;
    expect(found).toBe(1);
    await service.close();
  });

  test('a batch that no service sealed is recorded as that, and answers nothing', async () => {
    const catalog = adminClient(`${shop.rolePrefix}_catalog`);
    await catalog`select tenancy.ask_silent(${Buffer.from('{"questions":[]}')})`;
    await catalog.end();
    expect(await shop.control.auditSilentAttempts()).toMatchObject({ asked: 0, forged: 1 });
    expect((await shop.control.auditEntries({ action: 'query.silent', limit: 1 }))[0]).toMatchObject({
      outcome: 'failed',
      errorCode: 'DECRYPTION',
    });
    expect(await shop.control.auditSilentAttempts()).toMatchObject({ forged: 0 });
  });

  test('a database that is away is said to be, and keeps nobody’s answers back', async () => {
    const { placement } = await shop.control.tenant('acme');
    await noticed(async (service) => {
      await service.run('acme', () => service.db.select().from(products).where(eq(products.id, ids.globex)), { requestId: 'r-away' });
    });
    const admin = adminClient();
    await admin.unsafe(`alter database "${placement!.database}" allow_connections false`);
    try {
      expect(await shop.control.auditSilentAttempts()).toMatchObject({ asked: 1, unanswered: 1 });
    } finally {
      await admin.unsafe(`alter database "${placement!.database}" allow_connections true`);
      await admin.end();
    }
    expect(await entries('r-away')).toMatchObject([{ outcome: 'failed', detail: { unanswered: 1 } }]);
  });

  test('a value that does not fit its column keeps the others’ answers back no more than that', async () => {
    // No statement of a service brings one here: PostgreSQL refuses it there already.
    const { owner, placement } = await databaseLogins(shop, 'acme');
    const { clusterId, database, schema: pool } = placement;
    const question = {
      clusterId,
      database,
      schema: pool,
      at: '',
      tenantId: 'acme',
      statementFingerprint: '',
      table: 'products',
      columns: ['id'],
      primary: true,
    };
    const answers = await probeKeys(owner, [
      { ...question, values: ['no uuid'] },
      { ...question, values: [ids.globex] },
      { ...question, values: [randomUUID()] },
    ]);
    expect(answers).toEqual([undefined, { own: false, others: 1, other: 'globex' }, { own: false, others: 0, other: undefined }]);
    expect(await probeKeys(owner, [{ ...question, table: 'nowhere', values: ['x'] }])).toEqual([undefined]);
  });
});
