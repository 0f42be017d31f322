import { AbortedError, ConfigurationError } from '../errors.ts';
import { fanOut } from './fan-out.ts';
import { type MigrationHooks, migrateTarget } from './migrate-target.ts';
import { pendingMigrations } from './migration-plan.ts';
import type { MigrateOptions, MigrationReport, MigrationTargetReport } from './migration-report.ts';
import type { MigrationTimeouts } from './migration-session.ts';
import type { AppliedMigration, MigrationSource } from './migration-source.ts';
import { checkTarget, type MigrationTarget } from './migration-target.ts';

/** The central ledger's answer for all targets: what was applied, by target key. */
export type AppliedByTarget = ReadonlyMap<string, readonly AppliedMigration[]>;

export interface MigrateTargetsOptions
  extends MigrationHooks,
    MigrationTimeouts,
    Pick<MigrateOptions, 'concurrency' | 'stopOnError' | 'signal' | 'onProgress'> {
  /** Asked once, before anything is run: targets that have everything are not connected to. */
  appliedByTarget(): Promise<AppliedByTarget>;
}

/**
 * Brings many targets to the newest migration, some at a time, each in a transaction of its own.
 *
 * @returns one report per target, in the targets' order; those never started, after a failure or an abort, are `skipped`
 * @throws {MigrationError} before anything is run, when a ledger and the migrations contradict each other
 * @throws {ConfigurationError} before anything is run, for a bad concurrency, a key given twice or an unfit schema
 * @example
 * ```ts
 * const report = await migrateTargets(targets, source, { appliedByTarget, afterMigrate, recordLedger, concurrency: 8, stopOnError: false });
 * ```
 */
export async function migrateTargets(
  targets: readonly MigrationTarget[],
  source: MigrationSource,
  options: MigrateTargetsOptions,
): Promise<MigrationReport> {
  const { concurrency = 4, stopOnError = true, signal } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new ConfigurationError(`The concurrency must be a whole number from 1, not ${String(concurrency)}.`);
  const keys = new Set<string>();
  for (const target of targets) {
    checkTarget(target);
    if (keys.has(target.key))
      throw new ConfigurationError(`The migration target "${target.key}" was given twice.`, { tenantId: target.tenantId });
    keys.add(target.key);
  }
  const ledger = await options.appliedByTarget();
  const ledgerOf = (target: MigrationTarget): readonly AppliedMigration[] => ledger.get(target.key) ?? [];
  const behind = new Set(targets.filter((target) => pendingMigrations(source, ledgerOf(target), target).length > 0));
  let done = 0;
  const finish = (report: MigrationTargetReport): MigrationTargetReport => {
    done += 1;
    if (report.outcome !== 'skipped') options.onProgress?.({ done, total: targets.length, target: report.target, outcome: report.outcome });
    return report;
  };
  const reports = await fanOut(
    targets,
    async (target) =>
      finish(
        behind.has(target) ? await migrateTarget(target, source, { ...options, ledger: ledgerOf(target) }) : unstarted(target, 'unchanged'),
      ),
    { concurrency, signal, stopAfter: ({ outcome }) => stopOnError && outcome === 'failed' },
  );
  const complete = reports.map((report, i) => report ?? unstarted(targets[i]!, 'skipped', skipReason(targets[i]!, signal)));
  return Object.freeze({ targets: Object.freeze(complete), failed: complete.filter(({ outcome }) => outcome === 'failed').length });
}

function unstarted(target: MigrationTarget, outcome: 'unchanged' | 'skipped', error?: Error): MigrationTargetReport {
  return Object.freeze({ target: target.key, outcome, applied: Object.freeze([]), durationMs: 0, error });
}

function skipReason(target: MigrationTarget, signal: AbortSignal | undefined): Error | undefined {
  if (signal?.aborted !== true) return undefined;
  return new AbortedError(`${target.key} was not migrated: the run was aborted before its turn.`, { tenantId: target.tenantId });
}
