import type { Sql, TransactionSql } from 'postgres';
import { runnerTable } from './relation-facts.ts';

/** A primary key, unique or exclusion constraint, unique index, or foreign key of a tenant table. */
export interface KeyFacts {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
  readonly kind: 'key' | 'exclusion' | 'foreign';
  /** Whether tenant_id comes first; of a foreign key: whether tenant_id refers to tenant_id first. Always so of one to a reference table. */
  readonly leading: boolean;
  readonly valid: boolean;
  /** Whether a foreign key stays in its schema, or goes to a reference table. */
  readonly inside: boolean;
}

/**
 * Reads the keys of some schemas. They must begin with tenant_id: a unique key over less tells one tenant that another's value exists,
 * and a foreign key over less reaches another tenant's rows, since its check goes past row-level security.
 */
export async function readKeys(sql: Sql | TransactionSql, schemas: readonly string[]): Promise<readonly KeyFacts[]> {
  return await sql<KeyFacts[]>`
    select n.nspname::text as schema, c.relname::text as table, i.relname::text as name, case when x.indisexclusion then 'exclusion' else 'key' end as kind,
      coalesce((select a.attname = 'tenant_id' from pg_attribute a where a.attrelid = c.oid and a.attnum = x.indkey[0]), false)
        -- An exclusion constraint keeps tenants apart only where it compares tenant_id for equality.
        and (not x.indisexclusion or coalesce((
          select o.oprname = '=' from pg_constraint k join pg_operator o on o.oid = k.conexclop[1] where k.conindid = i.oid and k.contype = 'x' limit 1), false)) as leading,
      x.indisvalid as valid, true as inside
    from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid join pg_namespace n on n.oid = c.relnamespace
    where (x.indisunique or x.indisexclusion) and c.relkind in ('r', 'p') and c.relname <> ${runnerTable}
      and n.nspname = any (string_to_array(${schemas.join(',')}, ','))
    union all
    select n.nspname, c.relname, k.conname, 'foreign',
      tn.nspname = 'reference' or coalesce((
        select a.attname = 'tenant_id' and b.attname = 'tenant_id' from pg_attribute a, pg_attribute b
        where a.attrelid = k.conrelid and a.attnum = k.conkey[1] and b.attrelid = k.confrelid and b.attnum = k.confkey[1]), false),
      k.convalidated, t.relnamespace = c.relnamespace or tn.nspname = 'reference'
    from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_namespace n on n.oid = c.relnamespace
      join pg_class t on t.oid = k.confrelid join pg_namespace tn on tn.oid = t.relnamespace
    where k.contype = 'f' and k.conparentid = 0 and c.relname <> ${runnerTable} and n.nspname = any (string_to_array(${schemas.join(',')}, ','))
    order by 1, 2, 3`;
}
