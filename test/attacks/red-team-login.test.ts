import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NotSupportedError, PolicyViolationError } from '../../src/errors.ts';
import { urlFor, withClient } from '../../src/provision/admin-client.ts';
import { adminUrl } from '../support/server.ts';
import { createShop, type Shop } from '../support/shop/platform.ts';

/** All standard tenants of a cluster share one login: what one of them may do to it, or as it, it does to all. */
describe('the login that tenants share', () => {
  let shop: Shop;
  let database: string;
  beforeAll(async () => {
    shop = await createShop({
      tenants: [
        { id: 'acme', tier: 'standard' },
        { id: 'globex', tier: 'standard' },
      ],
    });
    database = (await shop.control.tenant('acme')).placement!.database;
    await withClient(adminUrl(), (admin) => admin.unsafe(`create role ${shop.rolePrefix}_twin login password 'twin' noinherit`));
  });
  /** A login with the same rights, so that what the controls break is not the shop's own. */
  beforeEach(async () => {
    await withClient(adminUrl(), async (admin) => {
      await admin.unsafe(`alter role ${shop.rolePrefix}_twin password 'twin'; alter role ${shop.rolePrefix}_twin reset all`);
      await admin.unsafe(`grant connect on database ${database} to ${shop.rolePrefix}_twin`);
    });
  });
  afterAll(async () => {
    await shop?.close();
  });

  const asTwin = async <T>(password: string, run: (sql: Parameters<Parameters<typeof withClient>[1]>[0]) => Promise<T>): Promise<T> =>
    await withClient(urlFor(adminUrl(), { database, user: `${shop.rolePrefix}_twin`, password }), run);
  const inAdmin = async (text: string): Promise<readonly Record<string, unknown>[]> =>
    await withClient(adminUrl(database), async (admin) => await admin.unsafe(text));
  const asAcme = async (text: string): Promise<unknown> => await shop.tenancy.run('acme', () => shop.tenancy.db.execute(text));

  describe('its password and settings', () => {
    const changes = (who: string) => ({
      'its password': `alter role ${who} password 'known'`,
      'its settings': `alter role ${who} set default_transaction_read_only = on`,
    });
    const inBlock = (text: string): string => `do $do$ begin execute ${`$q$${text}$q$`}; end $do$`;

    test('control: any login may change its own, which shuts everybody else out or makes them read only', async () => {
      await inAdmin('grant usage on language plpgsql to public');
      try {
        await asTwin('twin', async (sql) => await sql.unsafe(inBlock(changes('current_user')['its settings'])));
        expect(await asTwin('twin', async (sql) => await sql`show default_transaction_read_only`)).toEqual([
          { default_transaction_read_only: 'on' },
        ]);
        await inAdmin(`alter role ${shop.rolePrefix}_twin reset all`);
        await asTwin('twin', async (sql) => await sql.unsafe(changes('current_user')['its password']));
        await expect(asTwin('twin', async (sql) => await sql`select 1`)).rejects.toThrow('28P01');
        await asTwin('known', async (sql) => await sql`select 1`);
      } finally {
        await inAdmin('revoke usage on language plpgsql from public');
      }
    });

    test.each(Object.entries(changes('current_user')))('a tenant’s raw SQL can’t change %s', async (_what, text) => {
      await expect(asAcme(text)).rejects.toBeInstanceOf(NotSupportedError);
      await expect(asAcme(`/* select */ ;; ${text}`)).rejects.toBeInstanceOf(NotSupportedError);
      const error: unknown = await asAcme(inBlock(text)).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(PolicyViolationError);
      expect((error as PolicyViolationError).auditId).toBeDefined();
      // A second service opens connections of its own.
      const another = await shop.open();
      expect(await another.run('globex', () => another.sql`select current_setting('transaction_read_only') as "readOnly"`)).toEqual([
        { readOnly: 'off' },
      ]);
      await another.close();
      expect(
        await inAdmin(`select 1 from pg_db_role_setting s join pg_roles r on r.oid = s.setrole where r.rolname = '${shop.rolePrefix}_app'`),
      ).toEqual([]);
    });
  });

  test('a tenant’s raw SQL can’t lock another tenant’s table; control: the login may', async () => {
    await inAdmin(
      `grant usage on schema globex to ${shop.rolePrefix}_twin; grant select, update on globex.products to ${shop.rolePrefix}_twin`,
    );
    await asTwin('twin', async (sql) => {
      await sql.begin(async (tx) => {
        await tx`lock table globex.products in access exclusive mode`;
        await expect(
          withClient(adminUrl(database), async (admin) => {
            await admin`set lock_timeout = '50ms'`;
            await admin`select 1 from globex.products`;
          }),
        ).rejects.toMatchObject({ code: '55P03' });
      });
    });
    await expect(asAcme('lock table globex.products in access exclusive mode')).rejects.toBeInstanceOf(NotSupportedError);
    await expect(asAcme('do $$ begin lock table globex.products; end $$')).rejects.toBeInstanceOf(PolicyViolationError);
  });

  test('a large object is no way to hand bytes from tenant to tenant; control: PostgreSQL’s default is', async () => {
    const attempts = [
      "select lo_from_bytea(4711, 'plaintext')",
      'select lo_get(4711)',
      'select lo_put(4711, 0, $$x$$)',
      'select lo_unlink(4711)',
    ];
    for (const text of attempts) await expect(asAcme(text)).rejects.toBeInstanceOf(PolicyViolationError);
    await inAdmin('grant execute on function lo_from_bytea(oid, bytea), lo_get(oid) to public');
    try {
      await asAcme(attempts[0]!);
      expect(await shop.tenancy.run('globex', () => shop.tenancy.sql`select convert_from(lo_get(4711), 'UTF8') as read`)).toEqual([
        { read: 'plaintext' },
      ]);
    } finally {
      await inAdmin('revoke execute on function lo_from_bytea(oid, bytea), lo_get(oid) from public');
    }
  });

  test('a tenant can’t end the sessions of others; control: PostgreSQL lets a login end its own', async () => {
    const attempts = ['select pg_terminate_backend(0)', 'select pg_cancel_backend(0)'];
    for (const text of attempts) await expect(asAcme(text)).rejects.toBeInstanceOf(PolicyViolationError);
    await inAdmin(`grant execute on all functions in schema pg_catalog to ${shop.rolePrefix}_twin`);
    await asTwin('twin', async (victim) => {
      const [row] = await victim<{ pid: number }[]>`select pg_backend_pid() as pid`;
      expect(await asTwin('twin', async (sql) => await sql`select pg_terminate_backend(${row!.pid}) as ended`)).toEqual([{ ended: true }]);
    });
  });
});
