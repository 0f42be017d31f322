import type { Operated } from './case.ts';

/** One operation of a subject, for one tenant; `turn` grows with every call and chooses the row. */
export type Operation = (tenantId: string, turn: number) => Promise<unknown>;

/** One way to reach the rows. All subjects have the same rows for each tenant, and the same number of connections in all. */
export interface Subject {
  /** The name in the results. */
  readonly name: string;
  /** The tenants that callers take turns with. */
  readonly tenantIds: readonly string[];
  readonly operations: Readonly<Partial<Record<Operated, Operation>>>;
  /** The product of that SKU. */
  readonly find: (tenantId: string, sku: string) => Promise<unknown>;
  /** An interactive transaction of so many statements, five at most. */
  readonly transact: (tenantId: string, turn: number, statements: number) => Promise<unknown>;
  /** A statement that takes so many seconds in the server. */
  readonly sleep: (tenantId: string, seconds: number) => Promise<unknown>;
  /** Enters a scope and does nothing there, for the subjects that have scopes. */
  readonly enter?: ((tenantId: string) => Promise<void>) | undefined;
  /** Ends its connections. */
  readonly close: () => Promise<void>;
}
