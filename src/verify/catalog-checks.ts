import type { Sql } from 'postgres';
import { inTransaction } from '../sql/transaction.ts';
import type { CheckResult, DatabaseCheck, VerifiedDatabase } from './database-check.ts';
import { checkFoundation } from './foundation-check.ts';
import { checkGrants } from './grant-check.ts';
import { checkGuard } from './guard-check.ts';
import { checkHardening } from './hardening-check.ts';
import { checkIndexes } from './index-check.ts';
import { checkKeys } from './key-check.ts';
import { checkObjects } from './object-check.ts';
import { checkReach } from './reach-check.ts';
import { checkRoles } from './role-check.ts';
import { checkTables } from './table-check.ts';

const checks: readonly DatabaseCheck[] = [
  checkFoundation,
  checkTables,
  checkKeys,
  checkGrants,
  checkObjects,
  checkRoles,
  checkHardening,
  checkReach,
  checkGuard,
  checkIndexes,
];

/**
 * Holds one tenant database against what it should be, from the system catalogs (THREATS, "Policies"). Writes nothing.
 *
 * @param sql a client logged in as the database's owner, or as an administrator
 * @returns what is wrong, and how many objects and rules were looked at
 * @example
 * ```ts
 * const { findings } = await verifyDatabase(sql, { clusterId: 'eu-1', database: 'tenancy_shared', ownerRole, appRole, schemas });
 * ```
 */
export async function verifyDatabase(sql: Sql, database: VerifiedDatabase): Promise<CheckResult> {
  return await inTransaction(
    sql,
    async (transaction) => {
      // Names in what PostgreSQL prints of expressions depend on the search_path: this one makes them say their schema.
      await transaction`set local search_path = pg_catalog, pg_temp`;
      const results: CheckResult[] = [];
      for (const check of checks) results.push(await check(transaction, database));
      return Object.freeze({
        findings: Object.freeze(results.flatMap(({ findings }) => findings)),
        checked: results.reduce((sum, { checked }) => sum + checked, 0),
      });
    },
    'isolation level repeatable read read only',
  );
}
