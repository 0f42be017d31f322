/** Which tenants to migrate, and what to do on the way. */
export interface MigrateOptions {
  /** Only tenants of this tier. */
  readonly tier?: string | undefined;
  /** Only these tenants, by id; each must have the `tier` that is given beside. */
  readonly tenants?: readonly string[] | undefined;
  /** How many targets at a time, a whole number from 1; 4 unless told. */
  readonly concurrency?: number | undefined;
  /** Stop starting new targets after the first failure; true unless told. */
  readonly stopOnError?: boolean | undefined;
  /** Starts no more targets; a migration that runs is finished, those not begun are `skipped`. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each target that ended. What it throws ends the run. */
  readonly onProgress?: ((progress: MigrationProgress) => void) | undefined;
}

/** One target that ended. Reference tables and tenants are counted apart. */
export interface MigrationProgress {
  /** How many have ended, this one among them. */
  readonly done: number;
  /** How many there are. */
  readonly total: number;
  /**
   * The tenant's id; `<cluster>/pool` for the schema that tenants of `row` isolation share; `<cluster>/<database>/reference` for reference
   * tables.
   */
  readonly target: string;
  /** How it ended; targets that were `skipped` are not told. */
  readonly outcome: 'migrated' | 'unchanged' | 'failed';
}

/** What became of one target. */
export interface MigrationTargetReport {
  /** As in {@link MigrationProgress}. */
  readonly target: string;
  /** `unchanged`: nothing was pending. `skipped`: not begun, after a failure or an abort. */
  readonly outcome: 'migrated' | 'unchanged' | 'failed' | 'skipped';
  /** The migrations that were applied and stay, in order; after a failure those that were committed before it. */
  readonly applied: readonly string[];
  /** Milliseconds; 0 for what was not begun. */
  readonly durationMs: number;
  /** Why it failed (a {@link MigrationError}) or was skipped; undefined otherwise. */
  readonly error: Error | undefined;
}

/** What `migrate` did. */
export interface MigrationReport {
  /** Reference tables first, then tenants by id. */
  readonly targets: readonly MigrationTargetReport[];
  /** How many targets failed. */
  readonly failed: number;
}

/** What one target has and lacks, as the catalog's ledger has it. */
export interface MigrationStatus {
  /** As in {@link MigrationProgress}. */
  readonly target: string;
  /** Its newest migration; undefined before the first. */
  readonly version: string | undefined;
  /** What it lacks, in order. */
  readonly pending: readonly string[];
}
