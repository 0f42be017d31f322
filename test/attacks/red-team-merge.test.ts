import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NotSupportedError } from '../../src/errors.ts';
import { withClient } from '../../src/provision/admin-client.ts';
import { defaultTiers } from '../../src/tenant/tier.ts';
import { adminUrl, serverMajor } from '../support/server.ts';
import { createShop, type Shop } from '../support/shop/platform.ts';
import { products } from '../support/shop/schema.ts';

/** A MERGE that reads no column of its target is not under the SELECT policies: whether it is refused tells whether hidden rows are there. */
describe('MERGE as an oracle', () => {
  let shop: Shop;
  let database: string;
  beforeAll(async () => {
    shop = await createShop({
      tiers: { ...defaultTiers, pool: { ...defaultTiers['standard']!, isolation: 'row' } },
      tenants: [
        { id: 'acme', tier: 'standard' },
        { id: 'globex', tier: 'standard' },
        { id: 'pool-one', tier: 'pool' },
        { id: 'pool-two', tier: 'pool' },
      ],
    });
    database = (await shop.control.tenant('acme')).placement!.database;
  });
  afterAll(async () => {
    await shop?.close();
  });

  const mergeInto = (schema: string): string => `merge into ${schema}.products p using (values (1)) v on true when matched then delete`;
  /** As the service login, past the lanes: what PostgreSQL answers to a session that may see no row. */
  const answer = async (schema: string): Promise<string> =>
    await withClient(adminUrl(database), async (admin) => {
      await admin.unsafe(`set role ${shop.rolePrefix}_app`);
      return await admin.unsafe(mergeInto(schema)).then(
        () => 'nothing there',
        () => 'refused',
      );
    });

  test.each([
    ['globex', 'acme', 'globex'],
    ['pool', 'pool-one', 'pool-two'],
  ])('in schema %s is refused before it is sent; control: PostgreSQL answers by what is there', async (schema, attacker, victim) => {
    // PostgreSQL 14 has no MERGE: there the control has nothing to show.
    if ((await serverMajor()) >= 15) expect(await answer(schema)).toBe('nothing there');
    await shop.tenancy.run(victim, () => shop.tenancy.db.insert(products).values({ sku: 'hidden', stock: 1 }));
    expect(await answer(schema)).toBe('refused');
    for (const text of [
      mergeInto(schema),
      `with w as (select 1) ${mergeInto(schema)}`,
      `explain analyze ${mergeInto(schema).replace('merge', 'merge/**/')}`,
    ])
      await expect(shop.tenancy.run(attacker, () => shop.tenancy.db.execute(text))).rejects.toBeInstanceOf(NotSupportedError);
    expect(await shop.tenancy.run(victim, () => shop.tenancy.db.$count(products))).toBe(1);
  });
});
