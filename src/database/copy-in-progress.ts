import type { LaneTransaction } from '../connection/lane.ts';
import { NotSupportedError } from '../errors.ts';
import type { AmbientTransaction } from './ambient-transaction.ts';

/**
 * The transactions in which a COPY is being read. A statement would wait on the connection for the COPY to end, and whoever reads the COPY
 * may be waiting for that statement: it is refused instead.
 */
const copying = new WeakSet<LaneTransaction>();

/** Marks a transaction until the returned function is called. */
export function beginCopy({ lane }: AmbientTransaction): () => void {
  copying.add(lane);
  return () => {
    copying.delete(lane);
  };
}

/** @throws {NotSupportedError} while a COPY is being read in the transaction */
export function requireNoCopy({ lane, tenantId }: AmbientTransaction): void {
  if (!copying.has(lane)) return;
  throw new NotSupportedError(`A statement of tenant ${tenantId} was given to a transaction in which a COPY is being read.`, {
    tenantId,
    hint: 'Read the COPY to its end first, or read rows with .stream(), which leaves room for statements in between.',
  });
}
