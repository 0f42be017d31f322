import type { AmbientTransaction } from './ambient-transaction.ts';

/** Whose a query is, decided when it is made. */
export interface Binding {
  /** The tenant of the scope that it was made in; undefined when it was made outside any. */
  readonly tenantId: string | undefined;
  /** The transaction that it was made in. */
  readonly transaction: AmbientTransaction | undefined;
  /** Whether it came from `.prepare(name)`: then it runs as whichever tenant executes it. */
  readonly anyTenant: boolean;
}
