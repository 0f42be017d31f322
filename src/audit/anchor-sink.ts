/** The head of one writer's chain at one time, kept outside the catalog: what stands before it there can't be cut off unseen. */
export interface Anchor {
  /** The writer's UUID. */
  readonly writer: string;
  /** How many entries its chain had. */
  readonly seq: number;
  /** The MAC of the last of them, 64 hexadecimal digits. */
  readonly mac: string;
  /** When it was anchored, by the writer's clock. */
  readonly at: Date;
}

/**
 * Where heads of audit chains are kept: best a place that the catalog's administrators can't write. Written every few seconds while there
 * are new entries, and at the end.
 */
export interface AnchorSink {
  /** Names the sink to whoever hears of its failures. */
  readonly name: string;
  /**
   * Stores an anchor durably.
   *
   * @throws whatever the store throws; the newest head is then offered again with the next
   */
  write(anchor: Anchor): Promise<void>;
  /** Releases what the sink holds; `tenancy.close` calls it. */
  close(): Promise<void>;
}
