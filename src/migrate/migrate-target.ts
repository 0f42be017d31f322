import { AbortedError } from '../errors.ts';
import { refuseDefaultPrivileges } from './exposure.ts';
import { migrationFailure } from './migration-failure.ts';
import { asApplied, pendingMigrations } from './migration-plan.ts';
import type { MigrationTargetReport } from './migration-report.ts';
import { MigrationSession, type MigrationTimeouts } from './migration-session.ts';
import type { AppliedMigration, MigrationSource } from './migration-source.ts';
import { checkTarget, type MigrationTarget } from './migration-target.ts';
import { runMigrations } from './run-migrations.ts';

/** What follows a migration, while the target is still locked; both must bear being called again. */
export interface MigrationHooks {
  /** Installs policies, triggers and grants on every table of the target. */
  afterMigrate(target: MigrationTarget): Promise<void>;
  /** Adds these to the central ledger: what the target has and the ledger lacked. Called after the policies stand. */
  recordLedger(target: MigrationTarget, applied: readonly AppliedMigration[]): Promise<void>;
}

export interface MigrateTargetOptions extends MigrationHooks, MigrationTimeouts {
  /** What the central ledger says of this target. */
  readonly ledger?: readonly AppliedMigration[] | undefined;
  /** Ends the wait for another session that migrates the same target; a migration that runs is not interrupted. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each migration when it begins. */
  readonly onStart?: ((migration: string) => void) | undefined;
}

/**
 * Brings one target to the newest migration: as its owner, under its signed context, alone. Whatever is pending is applied in one
 * transaction as far as PostgreSQL allows; then policies are installed, then the central ledger is written. Policies are installed and
 * the ledger is completed also when nothing was pending, so that running again heals what an interruption left.
 *
 * Never throws: what went wrong stands in the report, with what stays applied in spite of it.
 *
 * @example
 * ```ts
 * const report = await migrateTarget(target, await loadMigrations('./drizzle'), { afterMigrate, recordLedger });
 * if (report.error !== undefined) throw report.error;
 * ```
 */
export async function migrateTarget(
  target: MigrationTarget,
  source: MigrationSource,
  options: MigrateTargetOptions,
): Promise<MigrationTargetReport> {
  const startedAt = performance.now();
  const report = (outcome: MigrationTargetReport['outcome'], applied: readonly string[], error?: Error): MigrationTargetReport =>
    Object.freeze({ target: target.key, outcome, applied: Object.freeze([...applied]), durationMs: performance.now() - startedAt, error });
  let current: string | undefined;
  try {
    checkTarget(target);
    await using session = await MigrationSession.open(target, options);
    await session.lock(options.signal);
    await refuseDefaultPrivileges(session, target);
    const before = await session.applied();
    // The target's own ledger is the truth of what was applied; the central one knows the checksums.
    const checksums = new Map(options.ledger?.map(({ migration, checksum }) => [migration, checksum]));
    const pending = pendingMigrations(
      source,
      before.map((migration) => ({ migration, checksum: checksums.get(migration) })),
      target,
    );
    let failure: unknown;
    if (pending.length > 0) {
      await runMigrations(session, source, target, ({ name }) => {
        current = name;
        options.onStart?.(name);
      }).catch((error: unknown) => {
        failure = error ?? new Error('nothing was thrown as an error');
      });
    }
    const after = failure === undefined ? await session.applied() : await appliedAfterFailure(session, before);
    const kept = after.filter((name) => !before.includes(name));
    if (failure === undefined && kept.length !== pending.length)
      failure = new Error(`${pending.length} migrations were pending, ${kept.length} are recorded`);
    if (failure === undefined) current = undefined;
    if (failure === undefined || kept.length > 0) {
      try {
        await settle(target, source, options, after, checksums);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) return report('failed', kept, migrationFailure(failure, target, current, kept));
    return report('migrated', kept);
  } catch (error) {
    if (error instanceof AbortedError) return report('skipped', [], error);
    return report('failed', [], migrationFailure(error, target, current));
  }
}

async function settle(
  target: MigrationTarget,
  source: MigrationSource,
  hooks: MigrationHooks,
  names: readonly string[],
  checksums: ReadonlyMap<string, string>,
): Promise<void> {
  await hooks.afterMigrate(target);
  const applied = asApplied(source.migrations.filter(({ name }) => names.includes(name) && !checksums.has(name)));
  if (applied.length > 0) await hooks.recordLedger(target, applied);
}

/** A migration outside a transaction, and those before it, stay when a later one fails. */
async function appliedAfterFailure(session: MigrationSession, before: readonly string[]): Promise<readonly string[]> {
  try {
    if (session.inTransaction) await session.query('rollback');
    return await session.applied();
  } catch {
    // The connection is gone. Nothing can be said, so nothing is claimed; the next run looks again.
    return before;
  }
}
