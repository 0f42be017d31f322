import type { Sql, TransactionSql } from 'postgres';

/** A function, procedure or aggregate. */
export interface RoutineFacts {
  readonly schema: string;
  /** Name and argument types, quoted as SQL wants them. */
  readonly signature: string;
  readonly owner: string;
  /** Whether it runs as its owner. */
  readonly definer: boolean;
  /** Whether its search_path is set with the function: to nothing, or to a list that ends in pg_temp. */
  readonly pinned: boolean;
  readonly trigger: boolean;
  /** Who but the owner may execute it: role names, or `PUBLIC`. */
  readonly grantees: readonly string[];
}

/** Reads every routine of some schemas, extensions' own left out; the caller has set search_path to `pg_catalog`. */
export async function readRoutines(sql: Sql | TransactionSql, schemas: readonly string[]): Promise<readonly RoutineFacts[]> {
  return await sql<RoutineFacts[]>`
    select n.nspname::text as schema, p.oid::regprocedure::text as signature, pg_get_userbyid(p.proowner)::text as owner, p.prosecdef as definer,
      exists (select from unnest(p.proconfig) s where s = 'search_path=""' or s ~ '^search_path=([^,]+, )*"?pg_temp"?$') as pinned,
      p.prorettype in ('trigger'::regtype, 'event_trigger'::regtype) as trigger,
      coalesce((
        select json_agg(case when g.grantee = 0 then 'PUBLIC' else pg_get_userbyid(g.grantee)::text end order by g.grantee)
        from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g where g.grantee <> p.proowner
      ), '[]'::json) as grantees
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname = any (string_to_array(${schemas.join(',')}, ','))
      and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
    order by n.nspname, p.oid::regprocedure::text`;
}
