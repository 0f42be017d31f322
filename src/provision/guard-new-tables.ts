import type { Sql } from 'postgres';
import { failureCode } from '../catalog/catalog-failure.ts';
import { newTableGuard } from '../rls/policy.ts';

/**
 * Closes tables of tenants' schemas from the moment in which they are made, by an event trigger (rls-policies/new-tables.sql); idempotent.
 * Only a superuser may make one: with another administrator nothing is done, and `verify` says so.
 *
 * @param inDatabase the administrator's client on the database, in which schema `tenancy` stands
 * @returns whether it stands now
 */
export async function guardNewTables(inDatabase: Sql, names: { readonly owner: string; readonly app: string }): Promise<boolean> {
  const sql = newTableGuard({ ownerRole: names.owner, appRole: names.app });
  const [found] = await inDatabase<{ source: string }[]>`
    select p.prosrc as source from pg_catalog.pg_event_trigger e join pg_catalog.pg_proc p on p.oid = e.evtfoid
    where e.evtname = 'tenancy_guard_new_tables' and e.evtenabled = 'A' and p.oid = to_regproc('tenancy.guard_new_table')`;
  // Making it anew would hold up whoever makes a table meanwhile.
  if (found !== undefined && sql.includes(`$$${found.source}$$`)) return true;
  try {
    await inDatabase.unsafe(sql);
    return true;
  } catch (error) {
    if (failureCode(error) === '42501') return false;
    throw error;
  }
}
