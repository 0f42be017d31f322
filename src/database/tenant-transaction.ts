import { entityKind, TransactionRollbackError } from 'drizzle-orm';
import { NotSupportedError } from '../errors.ts';
import { BoundDatabase } from './bound-database.ts';

/** A transaction as drizzle types it (`PgTransaction`): the database of its tenant, over its lane, until its callback settles. */
export class TenantTransaction extends BoundDatabase {
  // drizzle's `is(tx, PgTransaction)` goes by this name.
  static override readonly [entityKind]: string = 'PgTransaction';

  /** Rolls back by throwing; the transaction rejects with this error. */
  rollback(): never { throw new TransactionRollbackError(); }

  /** @throws {NotSupportedError} always */
  setTransaction(): never {
    throw new NotSupportedError('A running transaction’s characteristics can’t be changed.', { hint: 'Give them to db.transaction(callback, { isolationLevel, accessMode, deferrable }).' });
  }
}
