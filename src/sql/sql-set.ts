import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql, TransactionSql } from 'postgres';
import { AbortedError, CatalogError, TenancyError } from '../errors.ts';
import { advisoryLockKey } from './advisory-lock.ts';
import { failureName } from './failure-name.ts';
import { quoteLiteral } from './identifier.ts';
import { type SqlFile, type SqlSetName, sqlFiles } from './sql-files.ts';
import { renderSqlFiles, type SqlValues } from './sql-template.ts';
import { inTransaction } from './transaction.ts';

export interface ApplySqlSetOptions {
  /** Ends the wait for another process that applies the same set; files under way are not interrupted. */
  readonly signal?: AbortSignal | undefined;
  /** The files, for tests; what the package ships unless told. */
  readonly files?: readonly SqlFile[] | undefined;
}

/**
 * Brings schema `tenancy` of a database to this release: applies the files of `migrations/<set>` that it lacks, all of them or none.
 * Safe to run again and from several processes at once. What was applied is recorded in `tenancy.schema_migrations`, with its checksum.
 *
 * @param sql a client whose role owns the schema, or may create it
 * @param values what the placeholders stand for: role names
 * @returns the names of the files applied now
 * @throws {CatalogError} when an applied file was changed since, the database is newer than this release, or a file fails
 * @throws {ConfigurationError} when a placeholder has no value or a value no placeholder
 * @throws {AbortedError} when `signal` ended the wait
 * @example
 * ```ts
 * await applySqlSet(owner, 'database', { owner: 'tenancy_owner', app: 'tenancy_app' });
 * ```
 */
export async function applySqlSet(
  sql: Sql,
  set: SqlSetName,
  values: SqlValues,
  options: ApplySqlSetOptions = {},
): Promise<readonly string[]> {
  const files = renderSqlFiles(options.files ?? sqlFiles(set), values, `migrations/${set}`);
  try {
    return (await inTransaction(sql, async (transaction) => {
      await lock(transaction, set, options.signal);
      const applied = await appliedFiles(transaction);
      requireUnchanged(set, files, applied);
      const pending = files.filter(({ name }) => !applied.has(name));
      // One message: if the connection died after the lock, the driver would send it on a new one, and there it is still all or nothing.
      if (pending.length > 0) await transaction.unsafe(pending.map(statementsOf).join('\n'));
      return Object.freeze(pending.map(({ name }) => name));
    })) as readonly string[];
  } catch (error) {
    if (error instanceof TenancyError) throw error;
    throw new CatalogError(`Installing migrations/${set} failed (${failureName(error)}); nothing of it was kept.`, {
      cause: error,
      hint: 'The role must own schema tenancy, or be allowed to create it in this database.',
    });
  }
}

function statementsOf(file: SqlFile & { readonly rendered: string }): string {
  return `${file.rendered}\n;insert into tenancy.schema_migrations (name, checksum) values (${quoteLiteral(file.name)}, ${quoteLiteral(file.checksum)});`;
}

/** Asked for again and again rather than waited for inside PostgreSQL, so that the wait can be ended. */
async function lock(sql: TransactionSql, set: SqlSetName, signal: AbortSignal | undefined): Promise<void> {
  const key = advisoryLockKey('sql-set', set);
  const aborted = (): AbortedError => new AbortedError(`Waiting to install migrations/${set} was aborted.`, { cause: signal?.reason });
  for (let pauseMs = 10; ; pauseMs = Math.min(pauseMs * 2, 250)) {
    if (signal?.aborted === true) throw aborted();
    const [row] = await sql<{ locked: boolean }[]>`select pg_catalog.pg_try_advisory_xact_lock(${key}::bigint) as locked`;
    if (row?.locked === true) return;
    await sleep(pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => {
      throw aborted();
    });
  }
}

async function appliedFiles(sql: TransactionSql): Promise<ReadonlyMap<string, string>> {
  const [found] = await sql<{ exists: boolean }[]>`select pg_catalog.to_regclass('tenancy.schema_migrations') is not null as exists`;
  if (found?.exists !== true) return new Map();
  const rows = await sql<{ name: string; checksum: string }[]>`select name, checksum from tenancy.schema_migrations`;
  return new Map(rows.map(({ name, checksum }) => [name, checksum]));
}

function requireUnchanged(set: SqlSetName, files: readonly SqlFile[], applied: ReadonlyMap<string, string>): void {
  for (const [name, checksum] of applied) {
    const file = files.find((candidate) => candidate.name === name);
    if (file === undefined) {
      throw new CatalogError(`The database has ${name} of migrations/${set}, which this release does not know.`, {
        hint: 'It was made by a newer release: update this one.',
      });
    }
    if (file.checksum !== checksum) {
      throw new CatalogError(`${name} of migrations/${set} was applied with another content than it has now.`, {
        hint: 'An applied file is never edited: add a new one.',
      });
    }
  }
}
