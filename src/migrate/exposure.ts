import { MigrationError } from '../errors.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import type { MigrationSession } from './migration-session.ts';
import type { MigrationTarget } from './migration-target.ts';

/**
 * A table made by a migration has no policy until the migration is over. Nobody but its owner may see it in between, so there may be no
 * default privileges that grant it to others.
 *
 * @throws {MigrationError} naming the grantee
 */
export async function refuseDefaultPrivileges(session: MigrationSession, target: MigrationTarget): Promise<void> {
  const {
    rows: [found],
  } = await session.query(
    `select coalesce(g.rolname, 'PUBLIC') as grantee from pg_default_acl d cross join lateral aclexplode(d.defaclacl) a left join pg_roles g on g.oid = a.grantee
      where d.defaclrole = current_user::regrole and d.defaclobjtype in ('r', 'S') and d.defaclnamespace in (0, $1::regnamespace) and a.grantee <> d.defaclrole limit 1`,
    [quoteIdentifier(target.schema)],
  );
  if (found === undefined) return;
  throw new MigrationError(
    `Default privileges would show the tables of ${target.key} to "${String(found.grantee)}" before their policies exist.`,
    {
      tenantId: target.tenantId,
      hint: 'Take them back with ALTER DEFAULT PRIVILEGES … REVOKE; the library grants what services need after the policies stand.',
    },
  );
}

/**
 * Refuses to commit what would show rows to others before policies are installed again: a GRANT in a migration, or row-level security
 * switched off on a table that services can read, or a view that runs as its owner. Asked inside the migration's transaction, before its COMMIT.
 * A table that the guard of new tables has closed (rls-policies/new-tables.sql) is no exception: TRUNCATE knows no row-level security.
 *
 * @throws {MigrationError} naming the table and the grantee
 */
export async function refuseExposedTables(session: MigrationSession, target: MigrationTarget): Promise<void> {
  const {
    rows: [found],
  } = await session.query(
    `select c.relname as table, coalesce(g.rolname, 'PUBLIC') as grantee from pg_class c
      cross join lateral (select (aclexplode(c.relacl)).grantee union all select (aclexplode(t.attacl)).grantee from pg_attribute t where t.attrelid = c.oid and t.attacl is not null) a
      left join pg_roles g on g.oid = a.grantee
      where c.relnamespace = $1::regnamespace and a.grantee <> c.relowner
        and ((c.relkind in ('r', 'p', 'f', 'm') and not c.relrowsecurity)
          or exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'tenancy_unfinished')
          or (c.relkind = 'v' and not coalesce(c.reloptions && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1', 'security_invoker=yes'], false))) limit 1`,
    [quoteIdentifier(target.schema)],
  );
  if (found === undefined) return;
  throw new MigrationError(
    `"${String(found.table)}" of ${target.key} would be open to "${String(found.grantee)}" without row-level security.`,
    {
      tenantId: target.tenantId,
      hint: 'Leave GRANT and ROW LEVEL SECURITY out of migrations: the library sets both afterwards.',
    },
  );
}
