import type { Sql, TransactionSql } from 'postgres';
import type { PolicyShape } from './policy-shape.ts';

/** The migration runner's own table in each schema: no tenant's rows, and nothing that a service needs. */
export const runnerTable = 'pgmigrations';

/** A privilege that somebody other than the owner has. */
export interface RelationGrant {
  /** A role's name, or `PUBLIC`. */
  readonly grantee: string;
  readonly privilege: string;
  /** The column that it is limited to, or null. */
  readonly column: string | null;
}

/** One table, view, sequence or the like, as the system catalogs have it. */
export interface RelationFacts {
  readonly schema: string;
  readonly name: string;
  /** `r` table, `p` partitioned table, `v` view, `m` materialised view, `f` foreign table, `S` sequence. */
  readonly kind: 'r' | 'p' | 'v' | 'm' | 'f' | 'S';
  readonly owner: string;
  /** Whether it has `tenant_id text not null`. */
  readonly scoped: boolean;
  readonly enabled: boolean;
  readonly forced: boolean;
  /** Whether the trigger that keeps tenant_id stands, whole and enabled. */
  readonly immutable: boolean;
  /** Whether it is a partition. */
  readonly partition: boolean;
  /** The first of its parents (partitioning or inheritance) that lies in another schema. */
  readonly parentElsewhere: string | null;
  /** Whether a view runs as its caller. */
  readonly invoker: boolean;
  /** Whether a sequence belongs to the migration runner's table. */
  readonly runner: boolean;
  /** Whether a sequence belongs to an identity column, whose inserts need no grant on it. */
  readonly identity: boolean;
  readonly policies: readonly PolicyShape[];
  readonly grants: readonly RelationGrant[];
}

/**
 * Reads every relation of some schemas, extensions' own left out. Expressions print with their schemas only while search_path is
 * `pg_catalog`: the caller sets it.
 */
export async function readRelations(sql: Sql | TransactionSql, schemas: readonly string[]): Promise<readonly RelationFacts[]> {
  return await sql<RelationFacts[]>`
    select n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind, pg_get_userbyid(c.relowner)::text as owner,
      c.relrowsecurity as enabled, c.relforcerowsecurity as forced, c.relispartition as partition,
      exists (
        select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and a.atttypid = 'text'::regtype and a.attnotnull and not a.attisdropped
      ) as scoped,
      exists (
        select from pg_trigger t
        where t.tgrelid = c.oid and t.tgname = 'tenancy_tenant_immutable' and t.tgenabled in ('O', 'A') and t.tgfoid = to_regproc('tenancy.refuse_tenant_change')
          -- BEFORE UPDATE FOR EACH ROW, of any column.
          and t.tgtype = 19 and t.tgattr = '' and pg_get_triggerdef(t.oid) like '%WHEN ((old.tenant_id IS DISTINCT FROM new.tenant_id))%'
      ) as immutable,
      (
        select p.oid::regclass::text from pg_inherits i join pg_class p on p.oid = i.inhparent
        where i.inhrelid = c.oid and p.relnamespace <> c.relnamespace order by i.inhseqno limit 1
      ) as "parentElsewhere",
      coalesce((
        select option_value::boolean from pg_options_to_table(c.reloptions) where option_name = 'security_invoker'
      ), false) as invoker,
      exists (
        select from pg_depend d join pg_class t on t.oid = d.refobjid
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and c.relkind = 'S' and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
          and t.relname = ${runnerTable}
      ) as runner,
      exists (
        select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and c.relkind = 'S' and d.deptype = 'i'
      ) as identity,
      coalesce((
        select json_agg(json_build_object(
          'name', p.polname, 'permissive', p.polpermissive,
          'command', case p.polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' when 'd' then 'DELETE' else 'ALL' end,
          'roles', (select json_agg(case when r = 0 then 'public' else pg_get_userbyid(r)::text end order by r) from unnest(p.polroles) r),
          'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)) order by p.polname)
        from pg_policy p where p.polrelid = c.oid
      ), '[]'::json) as policies,
      coalesce((
        select json_agg(json_build_object('grantee', case when g.grantee = 0 then 'PUBLIC' else pg_get_userbyid(g.grantee)::text end, 'privilege', g.privilege_type, 'column', g.attname)
          order by g.grantee, g.privilege_type, g.attname)
        from (
          select x.grantee, x.privilege_type, null::text as attname from aclexplode(c.relacl) x
          union all
          select x.grantee, x.privilege_type, a.attname::text from pg_attribute a cross join lateral aclexplode(a.attacl) x where a.attrelid = c.oid and a.attacl is not null
        ) g where g.grantee <> c.relowner
      ), '[]'::json) as grants
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any (string_to_array(${schemas.join(',')}, ',')) and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
      and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    -- Parents first: a partitioned table hands its trigger down.
    order by n.nspname, c.relispartition, c.relname`;
}
