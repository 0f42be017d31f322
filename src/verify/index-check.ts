import { type DatabaseCheck, locate } from './database-check.ts';

/**
 * Indexes that row-level security turns off: PostgreSQL looks a condition up in an index before it has looked at the policy only if the
 * operator is marked leakproof, and those of full text, JSON, arrays, numeric and LIKE are not.
 */
export const checkIndexes: DatabaseCheck = async (sql, database) => {
  const indexes = await sql<{ schema: string; table: string; name: string; operators: string | null }[]>`
    select n.nspname::text as schema, c.relname::text as table, i.relname::text as name,
      case when a.attname = 'tenant_id' or x.indisunique then null else coalesce((
        select string_agg(distinct op.oprname, ' ') from pg_amop o join pg_operator op on op.oid = o.amopopr join pg_proc f on f.oid = op.oprcode
        where o.amopfamily = k.opcfamily and o.amopmethod = k.opcmethod and o.amoppurpose = 's' and o.amoplefttype = k.opcintype
          -- Of a btree what it is mostly asked is equality; of one for patterns it is LIKE, whose own operator never is leakproof.
          and (m.amname not in ('btree', 'hash') or o.amopstrategy = case m.amname when 'btree' then 3 else 1 end)
        having not bool_or(f.proleakproof)
      ), case when k.opcname like '%pattern_ops' then '~~' end) end as operators
    from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid join pg_namespace n on n.oid = c.relnamespace
      join pg_opclass k on k.oid = x.indclass[0] join pg_am m on m.oid = k.opcmethod
      left join pg_attribute a on a.attrelid = c.oid and a.attnum = x.indkey[0]
    where n.nspname = any (string_to_array(${database.schemas.map(({ schema }) => schema).join(',')}, ',')) and c.relrowsecurity and not i.relispartition
    order by 1, 2, 3`;
  return {
    checked: indexes.length,
    findings: indexes
      .filter(({ operators }) => operators !== null)
      .map(({ schema, table, name, operators }) => ({
        id: 'index-not-leakproof',
        severity: 'warning' as const,
        location: locate(database, `${schema}.${table} ${name}`),
        message: `Queries under row-level security can't use the index: its operators (${operators}) are not leakproof.`,
        remedy:
          'Begin it with tenant_id (of GIN and GiST with the extension btree_gin or btree_gist); or have a superuser mark the operator’s function leakproof; or give the tenant a database of its own.',
      })),
  };
};
