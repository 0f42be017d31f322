/** How bad a finding is; `error` and `critical` make {@link VerifyReport.ok} false, and the CLI end with 3. */
export type Severity = 'info' | 'warning' | 'error' | 'critical';

/** One thing that `verify` found wrong, with what to do about it. */
export interface Finding {
  /** Stable id such as `rls-not-forced`. */
  readonly id: string;
  /** How bad it is. */
  readonly severity: Severity;
  /** Where: cluster, database, and the object's qualified name. */
  readonly location: string;
  /** What is wrong there. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}

/** What `verify` looks at. */
export interface VerifyOptions {
  /** Ends it before the next database. */
  readonly signal?: AbortSignal | undefined;
  /**
   * `catalog`: what the system catalogs say, foreign keys counted again, the clock; writes nothing. `probes`: attempts of one synthetic tenant
   * on another's rows, as the service login, all of them rolled back. `all` unless told.
   */
  readonly checks?: 'all' | 'catalog' | 'probes' | undefined;
}

/** What `verify` found. */
export interface VerifyReport {
  /** In the order of the databases; empty when everything stands. */
  readonly findings: readonly Finding[];
  /** How many objects and rules were looked at: a run that checked nothing proves nothing. */
  readonly checked: number;
  /** Whether nothing is at level error or critical; true also when nothing was checked. */
  readonly ok: boolean;
}
