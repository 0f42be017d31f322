import type { Sql } from 'postgres';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { urlFor, withClient } from '../../../src/provision/admin-client.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import { type VerifiedCatalog, verifyCatalog } from '../../../src/verify/catalog-check.ts';
import type { Finding } from '../../../src/verify/finding.ts';
import { adminClient, adminUrl } from '../../support/server.ts';

let platform: TestPlatform<Record<string, unknown>>;
let admin: Sql;
let catalog: VerifiedCatalog;
const restore: string[] = [];

beforeAll(async () => {
  platform = await createTestPlatform({
    adminUrl: adminUrl(),
    schema: {},
    migrations: { directory: 'test/support/shop/migrations', reference: 'test/support/shop/migrations/reference' },
    tenants: [{ id: 'acme', tier: 'standard' }],
  });
  const prefix = platform.rolePrefix;
  catalog = { database: `${prefix}_catalog`, ownerRole: `${prefix}_owner`, catalogRole: `${prefix}_catalog` };
  admin = adminClient(catalog.database);
});
afterEach(async () => {
  for (const sql of restore.splice(0).reverse()) await admin.unsafe(sql);
});
afterAll(async () => {
  await admin?.end({ timeout: 1 });
  await platform?.close();
});

const verify = async (): Promise<readonly Finding[]> => (await verifyCatalog(admin, catalog)).findings;
const named = (text: string): string =>
  text.replaceAll('OWNER', catalog.ownerRole).replaceAll('CATALOG', catalog.catalogRole).replaceAll('DATABASE', catalog.database);

test('a catalog as `init` makes it has no finding, and much was looked at', async () => {
  const { findings, checked } = await verifyCatalog(admin, catalog);
  expect(findings).toEqual([]);
  expect(checked).toBeGreaterThan(60);
});

const sabotages: readonly (readonly [id: string, sabotage: string, undo: string])[] = [
  ['catalog-grant-excess', 'grant select on tenancy.owner_credentials to CATALOG', 'revoke all on tenancy.owner_credentials from CATALOG'],
  ['catalog-grant-excess', 'grant select on tenancy.audit_log to public', 'revoke all on tenancy.audit_log from public'],
  [
    'catalog-grant-excess',
    'grant update (epoch) on tenancy.placements to CATALOG',
    'revoke update (epoch) on tenancy.placements from CATALOG',
  ],
  ['catalog-grant-excess', 'grant insert on tenancy.audit_log to CATALOG', 'revoke insert on tenancy.audit_log from CATALOG'],
  ['catalog-grant-missing', 'revoke select on tenancy.tenants from CATALOG', 'grant select on tenancy.tenants to CATALOG'],
  [
    'catalog-grant-missing',
    'revoke execute on function tenancy.append_audit(jsonb) from CATALOG',
    'grant execute on function tenancy.append_audit(jsonb) to CATALOG',
  ],
  [
    'routine-grant-excess',
    'grant execute on function tenancy.append_audit(jsonb) to public',
    'revoke execute on function tenancy.append_audit(jsonb) from public',
  ],
  [
    'trigger-missing',
    'alter table tenancy.audit_log disable trigger audit_log_kept',
    'alter table tenancy.audit_log enable always trigger audit_log_kept',
  ],
  [
    'trigger-missing',
    'alter table tenancy.audit_log enable trigger audit_log_kept',
    'alter table tenancy.audit_log enable always trigger audit_log_kept',
  ],
  [
    'trigger-missing',
    'alter table tenancy.placements disable trigger placements_kept',
    'alter table tenancy.placements enable trigger placements_kept',
  ],
  [
    'trigger-missing',
    'drop trigger tenants_never_deleted on tenancy.tenants',
    'create trigger tenants_never_deleted before delete or truncate on tenancy.tenants for each statement execute function tenancy.refuse_change()',
  ],
  [
    'trigger-unknown',
    'create trigger spy after insert on tenancy.audit_log for each statement execute function tenancy.notify_change()',
    'drop trigger spy on tenancy.audit_log',
  ],
  [
    'function-changed',
    'alter function tenancy.append_audit(jsonb) set search_path = public',
    'alter function tenancy.append_audit(jsonb) set search_path = pg_catalog, pg_temp',
  ],
  [
    'function-changed',
    'alter function tenancy.append_audit(jsonb) reset search_path',
    'alter function tenancy.append_audit(jsonb) set search_path = pg_catalog, pg_temp',
  ],
  [
    'function-changed',
    'alter function tenancy.append_audit(jsonb) owner to postgres',
    'alter function tenancy.append_audit(jsonb) owner to OWNER',
  ],
  [
    'function-unknown',
    `create function tenancy.owners() returns setof tenancy.owner_credentials language sql security definer as 'select * from tenancy.owner_credentials'`,
    'drop function tenancy.owners()',
  ],
  [
    'catalog-outdated',
    `update tenancy.schema_migrations set name = 'x' || name where name like '0006%'`,
    `update tenancy.schema_migrations set name = substr(name, 2) where name like 'x%'`,
  ],
  ['catalog-object-unknown', 'create view tenancy.everything as select * from tenancy.audit_log', 'drop view tenancy.everything'],
  ['foreign-owner', 'alter table tenancy.tenants owner to postgres', 'alter table tenancy.tenants owner to OWNER'],
  ['schema-grant-excess', 'grant create on schema tenancy to CATALOG', 'revoke create on schema tenancy from CATALOG'],
  ['database-grant-excess', 'grant connect on database DATABASE to public', 'revoke connect on database DATABASE from public'],
  [
    'default-privileges',
    'alter default privileges for role OWNER grant select on tables to CATALOG',
    'alter default privileges for role OWNER revoke select on tables from CATALOG',
  ],
  ['login-refused', 'alter role CATALOG bypassrls', 'alter role CATALOG nobypassrls'],
  ['login-membership', 'grant pg_read_all_data to CATALOG', 'revoke pg_read_all_data from CATALOG'],
  ['role-setting', 'alter role CATALOG set search_path = public', 'alter role CATALOG reset all'],
  ['owner-above-policies', 'alter role OWNER bypassrls', 'alter role OWNER nobypassrls'],
  ['language-open', 'grant usage on language plpgsql to public', 'revoke usage on language plpgsql from public'],
  ['publication', 'create publication everything for all tables', 'drop publication everything'],
];

test.each(sabotages)('%s: %s', async (id, sabotage, undo) => {
  restore.push(named(undo));
  await admin.unsafe(named(sabotage));
  const findings = await verify();
  expect(findings.map((found) => found.id)).toContain(id);
  for (const { location, message, remedy } of findings) {
    expect(location).toContain(`catalog/${catalog.database}`);
    expect([message, remedy].every((text) => text.length > 9)).toBe(true);
  }
});

test('function-changed: one that forgets to keep what it is given', async () => {
  const [row] = await admin<{ def: string }[]>`select pg_get_functiondef('tenancy.append_audit(jsonb)'::regprocedure) as def`;
  restore.push(row!.def);
  await admin.unsafe(row!.def.replace(/\$function\$[\s\S]*\$function\$/, '$function$ begin return 1; end $function$'));
  expect((await verify()).map(({ id }) => id)).toContain('function-changed');
});

test('`control.verify` looks at the catalog too, and not where it only probes', async () => {
  restore.push(named('revoke all on tenancy.owner_credentials from CATALOG'));
  await admin.unsafe(named('grant select on tenancy.owner_credentials to CATALOG'));
  expect((await platform.control.verify({ checks: 'catalog' })).findings.map(({ id }) => id)).toEqual(['catalog-grant-excess']);
  expect((await platform.control.verify({ checks: 'probes' })).findings).toEqual([]);
});

test('the catalog’s owner may verify it as well', async () => {
  const { findings } = await withClient(urlFor(adminUrl(), { database: catalog.database }), async (sql) => {
    await sql.unsafe(`set role ${catalog.ownerRole}`);
    return await verifyCatalog(sql, catalog);
  });
  expect(findings).toEqual([]);
});
