import { withAdmin } from './admin.ts';

const changed: ReadonlyMap<string, string> = new Map([
  ['name', 'copy'],
  ['config', "config || jsonb_build_object('id', copy, 'name', copy)"],
]);

/**
 * Copies a tenant of row isolation in the catalog, keys and placement included. In row isolation nothing else belongs to a tenant without
 * rows, and nothing here asks for the keys, which would not open: they are bound to the tenant that they were made for. Onboarding each
 * would take long, thousands of them hours, and measure the same.
 *
 * @param model the tenant that is copied
 * @param copies the new tenants' ids
 */
export async function copyTenant(catalogUrl: string, model: string, copies: readonly string[]): Promise<void> {
  await withAdmin(catalogUrl, async (admin) => {
    // No service has met these tenants: there is nobody to tell of thousands of changes.
    await admin.unsafe('set session_replication_role = replica');
    for (const [table, key] of [
      ['tenants', 'id'],
      ['placements', 'tenant_id'],
      ['data_keys', 'tenant_id'],
    ] as const) {
      const columns = await admin<{ name: string }[]>`
        select quote_ident(attname) as name from pg_catalog.pg_attribute
        where attrelid = ${`tenancy.${table}`}::regclass and attnum > 0 and not attisdropped`;
      const names = columns.map(({ name }) => name);
      const values = names.map((name) => changed.get(name) ?? (name === key ? 'copy' : name));
      await admin.unsafe(
        `insert into tenancy.${table} (${names.join(', ')}) select ${values.join(', ')} from tenancy.${table}, json_array_elements_text($2::text::json) copy where ${key} = $1`,
        [model, JSON.stringify(copies)],
      );
    }
    await admin.unsafe('analyze tenancy.tenants, tenancy.placements, tenancy.data_keys');
  });
}
