import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { LoginRefusedError } from '../../src/errors.ts';
import { urlFor, withClient } from '../../src/provision/admin-client.ts';
import { adminUrl } from '../support/server.ts';
import { createShop, type Shop } from '../support/shop/platform.ts';
import { products } from '../support/shop/schema.ts';

describe('a service login that could step over row-level security', () => {
  let shop: Shop;
  let database: string;
  const login = 'probe_login';
  let user: string;
  const admin = async (statement: string, on?: string): Promise<void> => {
    await withClient(adminUrl(on), (sql) => sql.unsafe(statement));
  };

  beforeAll(async () => {
    shop = await createShop({ tenants: [{ id: 'acme', tier: 'standard' }] });
    database = (await shop.control.tenant('acme')).placement!.database;
    user = `${shop.rolePrefix}_${login}`;
    await shop.tenancy.run('acme', () => shop.tenancy.db.insert(products).values({ sku: 'secret', stock: 1 }));
  });
  afterEach(async () => {
    await admin(`drop owned by "${user}"`, database).catch(() => {});
    await admin(`drop role if exists "${user}"`).catch(() => {});
  });
  afterAll(async () => {
    await shop?.close();
  });

  /** A service that logs in as the probe instead of the login that provisioning made. */
  async function open() {
    return await shop.open({ credentials: async () => ({ user, password: 'probe' }) });
  }

  async function makeProbe(attributes: string): Promise<void> {
    await admin(`create role "${user}" login password 'probe' ${attributes}`);
    await admin(
      `grant connect on database "${database}" to "${user}"; grant usage on schema acme, tenancy to "${user}"; grant select on acme.products to "${user}"`,
      database,
    );
  }

  const powers: readonly (readonly [name: string, make: () => Promise<void>, reason: RegExp, leaks: boolean])[] = [
    ['superuser', async () => await makeProbe('superuser'), /superuser/, true],
    ['BYPASSRLS', async () => await makeProbe('bypassrls'), /BYPASSRLS/, true],
    [
      'a member of a BYPASSRLS role, two grants away, without inheriting',
      async () => {
        await admin(
          `drop role if exists "${user}_a"; drop role if exists "${user}_b"; create role "${user}_a" bypassrls; create role "${user}_b" noinherit in role "${user}_a"`,
        );
        await makeProbe(`noinherit in role "${user}_b"`);
      },
      /BYPASSRLS.*membership/,
      false,
    ],
    ['a member of the owner', async () => await makeProbe(`in role "${shop.rolePrefix}_owner"`), /owns/, false],
    ['a member of pg_read_all_data', async () => await makeProbe('in role pg_read_all_data'), /pg_read_all_data/, false],
    [
      'a login that may create in the schema',
      async () => {
        await makeProbe('');
        await admin(`grant create on schema acme to "${user}"`, database);
      },
      /create objects/,
      false,
    ],
    [
      'a login that may make temporary tables',
      async () => {
        await makeProbe('');
        await admin(`grant temporary on database "${database}" to "${user}"`);
      },
      /temporary/,
      false,
    ],
  ];

  for (const [name, make, reason, leaks] of powers) {
    test(`is refused before the first query, and audited: ${name}`, async () => {
      await make();
      if (leaks) {
        // The control: what this login would see without the library, and without any context.
        const rows = await withClient(
          urlFor(adminUrl(), { database, user, password: 'probe' }),
          (sql) => sql`select sku from acme.products`,
        );
        expect(rows.map((row) => row['sku'])).toEqual(['secret']);
      }
      const tenancy = await open();
      const error = await tenancy.run('acme', () => tenancy.db.select().from(products)).catch((raised: unknown) => raised);
      expect(error).toBeInstanceOf(LoginRefusedError);
      expect((error as LoginRefusedError).message).toMatch(reason);
      const audited = await shop.control.auditEntries({ action: 'login', outcome: 'refused' });
      expect(audited.map(({ id }) => id)).toContain((error as LoginRefusedError).auditId);
    });
  }

  test('the login that provisioning made is served', async () => {
    expect(await shop.tenancy.run('acme', () => shop.tenancy.db.select({ sku: products.sku }).from(products))).toEqual([{ sku: 'secret' }]);
  });
});
