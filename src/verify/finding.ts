export type Severity = 'info' | 'warning' | 'error' | 'critical';

/** One thing that `verify` found wrong, with what to do about it. */
export interface Finding {
  /** Stable id such as `rls-not-forced`. */
  readonly id: string;
  readonly severity: Severity;
  /** Where: cluster, database, and the object's qualified name. */
  readonly location: string;
  readonly message: string;
  readonly remedy: string;
}

export interface VerifyReport {
  readonly findings: readonly Finding[];
  /** How many objects and rules were looked at: a run that checked nothing proves nothing. */
  readonly checked: number;
  readonly ok: boolean;
}
