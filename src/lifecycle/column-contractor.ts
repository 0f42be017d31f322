import type { TransactionSql } from 'postgres';
import { isServerError } from '../connection/driver-error.ts';
import { adoptedCheck } from '../database/adoption-checks.ts';
import { CatalogError } from '../errors.ts';
import { advisoryLockKey } from '../sql/advisory-lock.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import { qualifiedName } from '../sql/qualified-name.ts';
import type { ColumnContract } from './column-reports.ts';
import type { LocatedSite } from './located-site.ts';
import { countRows } from './site-rows.ts';
import type { RowsSession } from './tenant-rows.ts';

const checkViolation = '23514';

/**
 * Sees to it that a plaintext column stays empty: a check that PostgreSQL holds new rows to at once and then validates for all others, which
 * nobody waits for. In a pool it is the check of all its tenants.
 *
 * @throws {CatalogError} when there is plaintext; retryable, when the schema is just being migrated or contracted by another process
 */
export async function contractColumn(rows: RowsSession, site: LocatedSite, tenantId: string): Promise<ColumnContract> {
  const from = site.column.adoption!.column;
  const constraint = adoptedCheck(site.table, from);
  const report = (changed: boolean): ColumnContract => Object.freeze({ column: site.label, from, constraint, changed });
  if (site.contracted === 'yes') return report(false);
  const locked = async <T>(work: (sql: TransactionSql) => Promise<T>): Promise<T> =>
    await rows.schemaTransaction(async (sql) => {
      await lockSchema(sql, site.schema, tenantId);
      return await work(sql);
    });
  const table = qualifiedName(site.schema, site.table);
  const undo = async (): Promise<void> =>
    void (await locked(async (sql) => await sql.unsafe(`alter table ${table} drop constraint if exists ${quoteIdentifier(constraint)}`)));
  const { plaintext } = await rows.schemaTransaction(async (sql) => await countRows(sql, site, undefined));
  if (plaintext > 0) {
    // One that an earlier run left unvalidated refuses every change of these rows.
    if (site.contracted === 'unvalidated') await undo();
    throw stillPlaintext(site, tenantId);
  }
  if (site.contracted === 'no') {
    await locked(
      async (sql) =>
        await sql.unsafe(
          `alter table ${table} add constraint ${quoteIdentifier(constraint)} check (${quoteIdentifier(from)} is null) not valid`,
        ),
    );
  }
  try {
    await locked(async (sql) => {
      // It reads the whole table, and holds up neither readers nor writers.
      await sql`select set_config('statement_timeout', '0', true)`;
      await sql.unsafe(`alter table ${table} validate constraint ${quoteIdentifier(constraint)}`);
    });
  } catch (error) {
    if (!isServerError(error) || error.code !== checkViolation) throw error;
    await undo();
    throw stillPlaintext(site, tenantId);
  }
  return report(true);
}

function stillPlaintext({ label, column, table, schema }: LocatedSite, tenantId: string): CatalogError {
  return new CatalogError(
    `${table}.${column.adoption!.column} of the schema ${schema} still holds plaintext: ${label} was not contracted.`,
    {
      tenantId,
      hint: 'Run `tenancy columns backfill` first, in a pool for all of its tenants. If that leaves none and it comes back, a service still writes it.',
    },
  );
}

/** Alone, as migrations are; a lock that is not waited for. */
async function lockSchema(sql: TransactionSql, schema: string, tenantId: string): Promise<void> {
  const [row] = await sql<{ locked: boolean }[]>`
    select pg_catalog.pg_try_advisory_xact_lock(${advisoryLockKey('migrate', schema)}::bigint) as locked`;
  if (row?.locked === true) return;
  throw new CatalogError(`The schema ${schema} is being migrated or contracted by another process.`, {
    tenantId,
    retryable: true,
    hint: 'Wait for that to end.',
  });
}
