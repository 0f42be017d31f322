import type { Sql, TransactionSql } from 'postgres';
import { guardedSql } from './guarded-sql.ts';

/** What the driver says when a connection is gone; callers that turn driver errors into their own know it by its code. */
class ConnectionLost extends Error {
  readonly code = 'CONNECTION_CLOSED';
}

/**
 * Runs a callback in one transaction of a client's only connection. postgres.js' own `begin` writes its ROLLBACK to the connection that has
 * just died, which ends the process from where nobody can catch it; and statements that come after a loss would run on the next connection,
 * outside any transaction. Here both are refused.
 *
 * @param sql a client with `max: 1`, used by nobody else meanwhile; to be ended, not used again, once its connection was lost
 * @param characteristics what follows BEGIN, such as `isolation level repeatable read`; constant text
 * @throws what the callback or PostgreSQL throws; nothing is kept then
 * @example
 * ```ts
 * await inTransaction(sql, async (transaction) => await transaction`delete from tenancy.context_keys where key_id = ${keyId}`);
 * ```
 */
export async function inTransaction<T>(sql: Sql, callback: (transaction: TransactionSql) => Promise<T>, characteristics = ''): Promise<T> {
  const options = sql.options as { onclose?: ((connection: number) => void) | undefined };
  const { onclose } = options;
  await sql.unsafe(`begin ${characteristics}`);
  let lost: ConnectionLost | undefined;
  let lose = (_: ConnectionLost): void => {};
  const died = new Promise<never>((_, reject) => {
    lose = reject;
  });
  died.catch(() => {});
  options.onclose = (connection) => {
    lost ??= new ConnectionLost('The connection ended in the middle of a transaction: nothing of it was kept.');
    lose(lost);
    onclose?.(connection);
  };
  const requireConnection = (): void => {
    if (lost !== undefined) throw lost;
  };
  const guarded = guardedSql(sql, requireConnection);
  try {
    const result = await Promise.race([callback(guarded as unknown as TransactionSql), died]);
    requireConnection();
    const { command } = await Promise.race([sql.unsafe('commit'), died]);
    if (command !== 'COMMIT') throw new Error('The transaction had failed before its COMMIT: nothing of it was kept.');
    return result;
  } catch (error) {
    // The socket's error comes before its close, and a ROLLBACK that is written in between is never answered.
    if (lost === undefined) await Promise.race([sql.unsafe('rollback'), died]).catch(() => {});
    throw error;
  } finally {
    options.onclose = onclose;
  }
}
