import type { Sql } from 'postgres';
import { type CheckResult, locate, type VerifiedDatabase } from './database-check.ts';
import type { Finding } from './finding.ts';

interface KeyFacts { readonly schema: string; readonly table: string; readonly name: string; readonly kind: 'key' | 'foreign'; readonly led: boolean; readonly valid: boolean; readonly inside: boolean }

/**
 * Keys begin with tenant_id: a unique index over less would tell one tenant that another's value exists, and a foreign key over less could
 * point at another tenant's row, since its check goes past row-level security.
 */
export async function checkKeys(sql: Sql, database: VerifiedDatabase): Promise<CheckResult> {
  const schemas = database.schemas.map(({ schema }) => schema).join(',');
  const keys = await sql<KeyFacts[]>`
    select n.nspname::text as schema, c.relname::text as table, i.relname::text as name, 'key' as kind,
      x.indisvalid as valid, true as inside,
      coalesce((select a.attname = 'tenant_id' from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum = x.indkey[0]), false) as led
    from pg_catalog.pg_index x
      join pg_catalog.pg_class c on c.oid = x.indrelid join pg_catalog.pg_class i on i.oid = x.indexrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where x.indisunique and c.relname <> 'pgmigrations' and n.nspname = any (pg_catalog.string_to_array(${schemas}, ','))
    union all
    select n.nspname, c.relname, k.conname, 'foreign', k.convalidated, target.relnamespace = c.relnamespace or tn.nspname = 'reference',
      tn.nspname = 'reference' or exists (
        select from pg_catalog.generate_subscripts(k.conkey, 1) s
          join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[s]
          join pg_catalog.pg_attribute b on b.attrelid = k.confrelid and b.attnum = k.confkey[s]
        where a.attname = 'tenant_id' and b.attname = 'tenant_id')
    from pg_catalog.pg_constraint k
      join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_class target on target.oid = k.confrelid join pg_catalog.pg_namespace tn on tn.oid = target.relnamespace
    where k.contype = 'f' and n.nspname = any (pg_catalog.string_to_array(${schemas}, ','))`;
  return { checked: keys.length, findings: keys.flatMap((key) => keyFindings(database, key)) };
}

function keyFindings(database: VerifiedDatabase, key: KeyFacts): Finding[] {
  const location = locate(database, `${key.schema}.${key.table} ${key.name}`);
  const found: Finding[] = [];
  if (!key.led && key.kind === 'key') {
    found.push({ id: 'key-not-tenant-leading', severity: 'error', location, message: 'A unique key does not begin with tenant_id.', remedy: 'Make it (tenant_id, …) in a migration.' });
  }
  if (!key.led && key.kind === 'foreign') {
    found.push({ id: 'foreign-key-not-tenant-leading', severity: 'critical', location, message: 'A foreign key does not join tenant_id to tenant_id.', remedy: 'Make it (tenant_id, …) references …(tenant_id, …) in a migration.' });
  }
  if (!key.inside) {
    found.push({ id: 'foreign-key-leaves-schema', severity: 'critical', location, message: 'A foreign key points into another schema.', remedy: 'Reference tables of the same schema, or of schema reference.' });
  }
  if (!key.valid) {
    found.push({ id: 'key-not-valid', severity: 'error', location, message: 'The key is not valid: it was never checked against all rows.', remedy: 'Validate or rebuild it under the tenant’s context.' });
  }
  return found;
}
