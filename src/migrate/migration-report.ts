/** Which tenants to migrate, and what to do on the way. */
export interface MigrateOptions {
  readonly tier?: string | undefined;
  readonly tenants?: readonly string[] | undefined;
  /** How many targets at a time; 4 unless told. */
  readonly concurrency?: number | undefined;
  /** Stop starting new targets after the first failure; true unless told. */
  readonly stopOnError?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: MigrationProgress) => void) | undefined;
}

export interface MigrationProgress {
  readonly done: number;
  readonly total: number;
  /** The tenant, or `<cluster>/pool` for a shared row-isolation schema. */
  readonly target: string;
  readonly outcome: 'migrated' | 'unchanged' | 'failed';
}

export interface MigrationTargetReport {
  readonly target: string;
  readonly outcome: 'migrated' | 'unchanged' | 'failed' | 'skipped';
  readonly applied: readonly string[];
  readonly durationMs: number;
  readonly error: Error | undefined;
}

export interface MigrationReport {
  readonly targets: readonly MigrationTargetReport[];
  readonly failed: number;
}

export interface MigrationStatus {
  readonly target: string;
  readonly version: string | undefined;
  readonly pending: readonly string[];
}
