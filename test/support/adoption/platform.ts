import { fileURLToPath } from 'node:url';
import type postgres from 'postgres';
import { urlFor, withClient } from '../../../src/provision/admin-client.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import { adminUrl } from '../server.ts';
import { poolTiers } from '../shop/pool-tier.ts';
import { customers } from './schema.ts';

export const schema = { customers };
export type Adoption = TestPlatform<typeof schema>;

/** A platform whose services are in the second stage. */
export async function createAdoption(tenants: readonly { readonly id: string; readonly tier: string }[]): Promise<Adoption> {
  const directory = fileURLToPath(new URL('./migrations', import.meta.url));
  return await createTestPlatform({ schema, adminUrl: adminUrl(), migrations: { directory }, tiers: poolTiers, tenants });
}

/** As the superuser in a tenant's database, past the library; `at` is its table. */
export async function pastLibrary<T>(platform: Adoption, tenant: string, work: (sql: postgres.Sql, at: string) => Promise<T>): Promise<T> {
  const { placement } = await platform.control.tenant(tenant);
  return await withClient(
    urlFor(platform.adminUrl, { database: placement!.database }),
    async (sql) => await work(sql, `${placement!.schema}.customers`),
  );
}

/** Rows as a release from before wrote them: in plaintext, named `c-0` and so on, each value told by tenant and number. */
export async function insertPlaintext(platform: Adoption, tenant: string, rows: number): Promise<void> {
  await pastLibrary(platform, tenant, async (sql, at) => {
    await sql.unsafe(
      `insert into ${at} (tenant_id, name, note, email, credit, born_at, address, photo)
      select $1, 'c-' || n, $1 || ' note ' || n || ' é', $1 || n || '@example.com', n + 0.25, timestamptz '2001-04-30 12:00:00.123Z' + n * interval '1 day',
        jsonb_build_object('city', 'Köln ' || n), decode('00ff', 'hex') || convert_to(n::text, 'UTF8') from generate_series(0, $2::int - 1) n`,
      [tenant, rows],
    );
  });
}

/** What a row of {@link insertPlaintext} is to be read as. */
export function expected(tenant: string, n: number) {
  return {
    name: `c-${n}`,
    note: `${tenant} note ${n} é`,
    email: `${tenant}${n}@example.com`,
    credit: n + 0.25,
    bornAt: new Date(Date.UTC(2001, 3, 30 + n, 12, 0, 0, 123)),
    address: { city: `Köln ${n}` },
    photo: Buffer.concat([Buffer.of(0, 0xff), Buffer.from(String(n))]),
  };
}

/** The tenant's rows, as a service reads them, by name. */
export async function readByName(tenancy: Adoption['tenancy'], tenant: string) {
  const found = await tenancy.run(tenant, async () => await tenancy.db.select().from(customers));
  return new Map(found.map(({ id: _, tenantId: __, changes: ___, iban: ____, ...row }) => [row.name, row]));
}
