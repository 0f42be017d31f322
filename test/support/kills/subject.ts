/** One tenant's work, of a kind that has points of its own to be cut at. It never rejects. */
export type Operation = (tenantId: string) => Promise<void>;

/** What works on connections that are killed: lanes by themselves, or all that a service is given. */
export interface KillSubject {
  /** By name; `unit` is one statement that writes one row. */
  readonly operations: Readonly<Record<'unit', Operation>> & Readonly<Record<string, Operation>>;
  /** Reads the tenant's latest rows. @throws what the subject throws */
  read(tenantId: string): Promise<void>;
  close(): Promise<void>;
}

/** Where a subject is to connect to, and under which name. */
export interface KillPlace {
  /** The proxy's, on loopback. */
  readonly port: number;
  readonly applicationName: string;
  readonly maxLanes: number;
}
