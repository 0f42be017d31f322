import { MigrationError } from '../errors.ts';
import type { MigrationSession } from './migration-session.ts';
import { type MigrationTarget, referenceSchema } from './migration-target.ts';

/** What the reference tables look like, to compare with later. */
export async function referenceFingerprint(session: MigrationSession): Promise<string> {
  const {
    rows: [row],
  } = await session.query(
    `select coalesce(md5(string_agg(concat_ws(' ', a.attrelid, c.relname, a.attnum, a.attname, a.atttypid, a.attnotnull), ',' order by a.attrelid, a.attnum)), '') as found
      from pg_class c join pg_attribute a on a.attrelid = c.oid
      where c.relnamespace = (select oid from pg_namespace where nspname = 'reference') and a.attnum > 0`,
  );
  return String(row?.found);
}

/**
 * Refuses to commit what reached beyond the target. `reference` stands in the search_path behind the tenant's schema, so a name that
 * the tenant doesn't have is found there: `drop table currencies`, meant for a tenant's own, would drop everybody's. Asked inside the
 * migration's transaction, before its COMMIT: rows written anywhere show as locks, and the reference tables must look as before.
 *
 * @param before their {@link referenceFingerprint} when the migration began
 * @throws {MigrationError} naming the table where there still is one
 */
export async function refuseSharedChanges(session: MigrationSession, target: MigrationTarget, before: string): Promise<void> {
  const {
    rows: [written],
  } = await session.query(
    `select c.oid::regclass::text as name from pg_locks l join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
      where l.pid = pg_backend_pid() and l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and c.relkind in ('r', 'p', 'f')
        and l.database = (select oid from pg_database where datname = current_database())
        and n.nspname <> $1 and n.nspname not in ('pg_catalog', 'pg_toast') and n.nspname not like 'pg\\_temp\\_%' and n.nspname not like 'pg\\_toast\\_temp\\_%' limit 1`,
    [target.schema],
  );
  // Reference migrations change these tables on purpose; that they write nowhere else holds for them too.
  const own = target.schema === referenceSchema;
  if (written === undefined && (own || (await referenceFingerprint(session)) === before)) return;
  const what = written === undefined ? 'changed a table of schema reference' : `wrote to ${String(written.name)}`;
  throw new MigrationError(`Migrating ${target.key} ${what}, which is not the tenant's alone.`, {
    tenantId: target.tenantId,
    hint: 'A tenant’s migration stays in the tenant’s schema; reference tables change by migrations of the database.',
  });
}
