import { setTimeout as sleep } from 'node:timers/promises';
import { and, eq } from 'drizzle-orm';
import { inventory, products } from '../schema.ts';
import type { Attempt } from './attempt.ts';
import { forgedContexts } from './forged-contexts.ts';
import type { Platform } from './platform.ts';
import { rawAttempts } from './raw-attempts.ts';
import type { Retailer } from './retailer.ts';

/** Who attacks whom: two retailers with schemas in one database, which only policies keep apart, and one whose data must stay in its region. */
export interface Cast {
  readonly attacker: Retailer;
  readonly victim: Retailer;
  readonly resident: Retailer;
}

/** @throws {Error} when the retailers are not such */
export function castOf(retailers: readonly Retailer[]): Cast {
  const shared = retailers.filter(({ placement }) => placement.isolation === 'schema');
  const attacker = shared.find((one) => shared.some((other) => other !== one && neighbours(one, other)));
  const victim = shared.find((other) => attacker !== undefined && other !== attacker && neighbours(attacker, other));
  const resident = retailers.find(({ config }) => config.compliance?.data_residency?.length === 1);
  if (attacker === undefined || victim === undefined || resident === undefined)
    throw new Error('The retailers hold no two neighbours, or none that stays in its region.');
  return { attacker, victim, resident };
}

/** Every way to another tenant's rows that a service's code, or what was injected into it, has. */
export function attemptsOn(platform: Platform, { attacker, victim, resident }: Cast): readonly Attempt[] {
  const { tenancy } = attacker;
  const { db } = tenancy;
  const asAttacker = <T>(callback: () => T | PromiseLike<T>): Promise<T> => tenancy.run(attacker.id, callback);
  const none = { code: 'NO_TENANT', action: 'scope.none' } as const;
  const foreign = { code: 'CROSS_TENANT_ACCESS', action: 'query.foreign-tenant-id' } as const;
  return [
    { name: 'no tenant: a query', meets: none, act: () => db.select().from(products) },
    { name: 'no tenant: raw SQL', meets: none, act: () => tenancy.sql`select * from products` },
    {
      name: 'no tenant: made in a scope, awaited outside',
      meets: none,
      act: async () => await (await asAttacker(() => ({ query: db.select().from(products) }))).query,
    },
    {
      name: "another tenant's id in a where",
      meets: foreign,
      act: () => asAttacker(() => db.select().from(products).where(eq(products.tenantId, victim.id))),
    },
    {
      name: "another tenant's id in a join",
      meets: foreign,
      act: () =>
        asAttacker(() =>
          db
            .select()
            .from(products)
            .innerJoin(inventory, and(eq(inventory.productId, products.id), eq(inventory.tenantId, victim.id))),
        ),
    },
    {
      name: "another tenant's id in an insert",
      meets: foreign,
      act: () => asAttacker(() => db.insert(products).values({ tenantId: victim.id, sku: 'PLANTED', price: '0' })),
    },
    {
      name: "another tenant's id in an update",
      meets: foreign,
      act: () => asAttacker(() => db.update(products).set({ tenantId: victim.id })),
    },
    {
      name: "another tenant's id in a delete",
      meets: foreign,
      act: () => asAttacker(() => db.delete(inventory).where(eq(inventory.tenantId, victim.id))),
    },
    ...rawAttempts(attacker, victim, platform.serverMajor),
    ...forgedContexts(attacker, victim),
    {
      name: "a builder carried into another tenant's scope",
      meets: { code: 'WRONG_TENANT', action: 'scope.wrong-tenant' },
      act: async () => {
        const { query } = await tenancy.run(victim.id, () => ({ query: db.select().from(products) }));
        return await asAttacker(() => query);
      },
    },
    {
      name: "another tenant's scope inside one's own",
      meets: { code: 'CROSS_TENANT_ACCESS', action: 'scope.nested' },
      act: () => asAttacker(() => tenancy.run(victim.id, () => db.select().from(products))),
    },
    {
      name: 'a service in a region that is not allowed',
      meets: { code: 'RESIDENCY', action: 'residency' },
      act: async () => {
        await using abroad = await platform.open({ region: resident.config.region === 'us-east-1' ? 'eu-west-1' : 'us-east-1' });
        return await abroad.run(resident.id, () => abroad.db.select().from(products));
      },
    },
    {
      name: 'a service whose login is superuser',
      meets: { code: 'LOGIN_REFUSED', action: 'login' },
      act: async () => {
        const { username: user, password } = new URL(platform.adminUrl(attacker.config.region));
        await using mighty = await platform.open({ region: attacker.config.region, credentials: async () => ({ user, password }) });
        return await mighty.run(attacker.id, () => mighty.db.select().from(products));
      },
    },
    suspended(platform, victim),
  ];
}

/** A suspended tenant gets nothing. */
function suspended({ control }: Platform, { id, tenancy }: Retailer): Attempt {
  const read = (): Promise<unknown> => tenancy.run(id, () => tenancy.db.select({ sku: products.sku }).from(products).limit(1));
  return {
    name: 'a suspended tenant',
    meets: { code: 'TENANT_INACTIVE', action: 'scope.inactive' },
    act: async () => {
      await control.setStatus(id, 'suspended');
      try {
        // The service learns of it by a notification: until that has come the tenant is served.
        for (const end = Date.now() + 5_000; Date.now() < end; await sleep(10)) await read();
        return undefined;
      } finally {
        await control.setStatus(id, 'active');
        for (const end = Date.now() + 5_000; ; await sleep(10)) {
          const served = await read().then(
            () => true,
            () => false,
          );
          if (served || Date.now() > end) break;
        }
      }
    },
  };
}

function neighbours(one: Retailer, other: Retailer): boolean {
  return (
    one.placement.clusterId === other.placement.clusterId &&
    one.placement.database === other.placement.database &&
    one.tenancy === other.tenancy
  );
}
