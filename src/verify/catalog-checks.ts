import type { Sql } from 'postgres';
import type { CheckResult, VerifiedDatabase } from './database-check.ts';
import { checkGrants } from './grant-check.ts';
import { checkKeys } from './key-check.ts';
import { checkObjects } from './object-check.ts';
import { checkTables } from './table-check.ts';

const checks = [checkTables, checkKeys, checkGrants, checkObjects] as const;

/**
 * Holds one tenant database against what it should be, from the system catalogs.
 *
 * @param sql a client logged in as the database's owner
 * @example
 * ```ts
 * const { findings } = await verifyDatabase(sql, { clusterId: 'eu-1', database: 'tenancy_shared', ownerRole, appRole, schemas });
 * ```
 */
export async function verifyDatabase(sql: Sql, database: VerifiedDatabase): Promise<CheckResult> {
  const results: CheckResult[] = [];
  // Names in what PostgreSQL prints of expressions depend on the search_path: this one makes them say their schema.
  await sql`select set_config('search_path', 'pg_catalog', false)`;
  for (const check of checks) results.push(await check(sql, database));
  return { findings: results.flatMap(({ findings }) => findings), checked: results.reduce((sum, { checked }) => sum + checked, 0) };
}
