import type { Case } from './case.ts';

/** One operation of a subject, for one tenant; `turn` grows with every call and chooses the row. */
export type Operation = (tenantId: string, turn: number) => Promise<unknown>;

/** One way to reach the rows. All subjects have the same number of connections and of rows for each tenant. */
export interface Subject {
  /** The name in the results. */
  readonly name: string;
  /** The tenants that callers take turns with. */
  readonly tenantIds: readonly string[];
  readonly operations: Readonly<Record<Case, Operation>>;
}
