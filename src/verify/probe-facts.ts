import type { Sql, TransactionSql } from 'postgres';
import { runnerTable } from '../rls/relation-facts.ts';

/** A column of a table that is probed. */
export interface ProbeColumn {
  readonly name: string;
  /** The type as SQL casts to it, such as `numeric(12,4)`. */
  readonly type: string;
  /** The type's own name, a domain's base resolved, such as `numeric`. */
  readonly base: string;
  /** PostgreSQL's category of the type: `A` array, `E` enum, `R` range, `S` string and so on. */
  readonly category: string;
  /** What follows the type in brackets: a length, precision and scale, or none. */
  readonly modifiers: readonly number[];
  /** An enum's values. */
  readonly labels: readonly string[];
  readonly notNull: boolean;
  /** Whether a default or a sequence fills it in. */
  readonly filled: boolean;
  /** Whether PostgreSQL computes it. */
  readonly generated: boolean;
  /** Whether a unique key holds it. */
  readonly keyed: boolean;
  /** Texts that its check constraints name: one of them may be what they ask for. */
  readonly texts: readonly string[];
  /** Numbers that they name: values, or lengths of a text. */
  readonly numbers: readonly string[];
}

/** A foreign key of a table that is probed. */
export interface ProbeForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  readonly schema: string;
  readonly table: string;
  readonly parentColumns: readonly string[];
}

/** A table that is probed, or a view that services may read. */
export interface ProbeRelation {
  readonly schema: string;
  readonly name: string;
  /** `r` table, `p` partitioned table, `v` view, `m` materialised view, `f` foreign table. */
  readonly kind: 'r' | 'p' | 'v' | 'm' | 'f';
  /** The partitioned table that it is a part of, or null. */
  readonly parent: string | null;
  readonly columns: readonly ProbeColumn[];
  /** The columns of its primary key, else of any unique key; empty without one. */
  readonly key: readonly string[];
  readonly foreignKeys: readonly ProbeForeignKey[];
}

/** Reads what the live probes need to know of tables, and of views with a column tenant_id; the caller has set search_path to `pg_catalog`. */
export async function readProbeRelations(sql: Sql | TransactionSql, schemas: readonly string[]): Promise<readonly ProbeRelation[]> {
  return await sql<ProbeRelation[]>`
    select n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind,
      (select p.relname::text from pg_inherits i join pg_class p on p.oid = i.inhparent where i.inhrelid = c.oid and c.relispartition) as parent,
      (
        select json_agg(json_build_object(
          'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'base', b.typname, 'category', b.typcategory,
          'modifiers', coalesce((select json_agg(m[1]::int) from regexp_matches(substring(format_type(b.oid, greatest(a.atttypmod, t.typtypmod)) from '\\(.*\\)'), '\\d+', 'g') m), '[]'::json),
          'labels', coalesce((select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = b.oid), '[]'::json),
          'notNull', a.attnotnull or t.typnotnull, 'filled', a.atthasdef or a.attidentity <> '' or t.typdefault is not null,
          'generated', a.attgenerated <> '',
          'keyed', exists (select from pg_index x where x.indrelid = c.oid and x.indisunique and a.attnum = any (x.indkey::int2[])),
          'texts', coalesce((
            select json_agg(replace(w[1], '''''', '''')) from pg_constraint k cross join regexp_matches(pg_get_constraintdef(k.oid), '''((?:[^'']|'''')+)''', 'g') w
            where k.contype = 'c' and (k.conrelid = c.oid and k.conkey = array[a.attnum] or k.contypid = a.atttypid)), '[]'::json),
          'numbers', coalesce((
            select json_agg(w[1]) from pg_constraint k cross join regexp_matches(regexp_replace(pg_get_constraintdef(k.oid), '''(?:[^'']|'''')*''', '', 'g'), '\\m(\\d+(?:\\.\\d+)?)', 'g') w
            where k.contype = 'c' and (k.conrelid = c.oid and k.conkey = array[a.attnum] or k.contypid = a.atttypid)
          ), '[]'::json)) order by a.attnum)
        from pg_attribute a join pg_type t on t.oid = a.atttypid join pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      ) as columns,
      coalesce((
        select json_agg(a.attname order by k.place)
        from (
          select x.indkey from pg_index x
          where x.indrelid = c.oid and x.indisunique and x.indpred is null and x.indexprs is null order by x.indisprimary desc, x.indexrelid limit 1
        ) x cross join lateral unnest(x.indkey::int2[]) with ordinality k (number, place) join pg_attribute a on a.attrelid = c.oid and a.attnum = k.number
      ), '[]'::json) as key,
      coalesce((
        select json_agg(json_build_object('name', k.conname, 'schema', tn.nspname, 'table', t.relname,
          'columns', (select json_agg(a.attname order by u.place) from unnest(k.conkey) with ordinality u (number, place) join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.number),
          'parentColumns', (select json_agg(a.attname order by u.place) from unnest(k.confkey) with ordinality u (number, place) join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.number)
        ) order by k.conname)
        from pg_constraint k join pg_class t on t.oid = k.confrelid join pg_namespace tn on tn.oid = t.relnamespace
        where k.contype = 'f' and k.conrelid = c.oid and k.conparentid = 0
      ), '[]'::json) as "foreignKeys"
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any (string_to_array(${schemas.join(',')}, ',')) and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relname <> ${runnerTable}
      and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    order by n.nspname, c.relispartition, c.relname`;
}
