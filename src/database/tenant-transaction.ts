import { entityKind, TransactionRollbackError } from 'drizzle-orm';
import { NotSupportedError } from '../errors.ts';
import type { AmbientTransaction } from './ambient-transaction.ts';
import { BoundDatabase, type BoundSession } from './bound-database.ts';
import type { SessionSchema } from './session-schema.ts';
import type { TenantDialect } from './tenant-dialect.ts';

const open = new WeakMap<AmbientTransaction, TenantTransaction>();

/** A transaction as drizzle types it (`PgTransaction`): the database of its tenant, over its lane, until its callback settles. */
export class TenantTransaction extends BoundDatabase {
  // drizzle's `is(tx, PgTransaction)` goes by this name.
  static override readonly [entityKind]: string = 'PgTransaction';

  constructor(transaction: AmbientTransaction, dialect: TenantDialect, session: BoundSession, schema: SessionSchema) {
    super(dialect, session, schema);
    open.set(transaction, this);
  }

  /** The drizzle object over an ambient transaction. */
  static of(transaction: AmbientTransaction): TenantTransaction | undefined {
    return open.get(transaction);
  }

  /** Rolls back by throwing; the transaction rejects with this error. */
  rollback(): never {
    throw new TransactionRollbackError();
  }

  /** @throws {NotSupportedError} always */
  setTransaction(): never {
    throw new NotSupportedError('A running transaction’s characteristics can’t be changed.', {
      hint: 'Give them to db.transaction(callback, { isolationLevel, accessMode, deferrable }).',
    });
  }
}
