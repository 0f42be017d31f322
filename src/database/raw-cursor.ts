import { type SQL, sql } from 'drizzle-orm';
import { ConfigurationError } from '../errors.ts';
import { currentScope } from '../tenant/scope.ts';
import { type AmbientTransaction, ambientTransaction } from './ambient-transaction.ts';
import type { Binding } from './binding.ts';
import type { CompiledQuery } from './compiled-query.ts';
import { HeldTransaction } from './held-transaction.ts';
import type { QueryExecutor } from './query-executor.ts';
import { type TenantRows, tenantRows } from './tenant-rows.ts';

/** What a cursor runs on. */
export interface CursorParts {
  readonly executor: QueryExecutor;
  readonly binding: Binding;
  readonly compile: (query: SQL) => CompiledQuery;
}

/** @throws {ConfigurationError} when a batch would hold no row: the number becomes statement text */
export function checkBatchSize(rows: number): void {
  if (Number.isInteger(rows) && rows >= 1 && rows <= 1_000_000) return;
  throw new ConfigurationError('A cursor’s batch must be a whole number of rows from 1 to 1,000,000.');
}

let opened = 0;

/**
 * Reads a statement's rows by a cursor of the server, so many at a time: what is not read stays there. It joins the transaction that the
 * code is in; else it has one of its own, which commits after the last row and is rolled back when reading stops before.
 */
export async function* readCursor<T>(
  parts: CursorParts,
  query: SQL,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<TenantRows<T>, void, void> {
  const { executor } = parts;
  const scope = currentScope();
  const ambient = parts.binding.transaction ?? (scope && ambientTransaction(scope));
  const held =
    ambient === undefined
      ? await HeldTransaction.open((options, callback) => executor.transaction(parts.binding, options, callback), { signal })
      : undefined;
  const transaction = ambient ?? (held as HeldTransaction).transaction;
  const binding: Binding = { ...parts.binding, transaction };
  const name = `tenancy_cursor_${++opened}`;
  const run = (statement: SQL): Promise<TenantRows<T>> =>
    executor.execute(binding, {
      query: parts.compile(statement),
      values: {},
      rows: 'object',
      raw: true,
      signal,
      map: (result) => tenantRows<T>(result),
    });
  let done = false;
  let declared = false;
  try {
    await run(sql`declare ${sql.identifier(name)} no scroll cursor for ${query}`);
    declared = true;
    const fetch = sql`fetch forward ${sql.raw(String(size))} from ${sql.identifier(name)}`;
    while (!done) {
      const rows = await run(fetch);
      if (rows.length < size) {
        done = true;
        // The last rows stand once the COMMIT was seen.
        if (held === undefined) await closeCursor(transaction, name);
        else await held.end(true);
      }
      if (rows.length > 0) yield rows;
    }
  } catch (error) {
    throw held === undefined ? error : await held.reason(error);
  } finally {
    if (!done) {
      if (held !== undefined) await held.end(false);
      else if (declared) await closeCursor(transaction, name);
    }
  }
}

/** In a transaction that failed or is over the cursor is gone, or goes with it. */
async function closeCursor({ over, lane }: AmbientTransaction, name: string): Promise<void> {
  if (over) return;
  await lane.execute({ text: `close "${name}"`, params: [], rows: 'object', prepare: false }, { raw: true }).catch(() => {});
}
