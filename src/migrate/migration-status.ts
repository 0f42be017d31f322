import type { AppliedByTarget } from './migrate-targets.ts';
import { pendingMigrations } from './migration-plan.ts';
import type { MigrationStatus } from './migration-report.ts';
import type { MigrationSource } from './migration-source.ts';
import type { MigrationTarget } from './migration-target.ts';

/**
 * What each target has and lacks, from the central ledger alone: no target is connected to.
 *
 * @throws {MigrationError} when a ledger and the migrations contradict each other
 */
export function migrationStatus(
  targets: readonly Pick<MigrationTarget, 'key' | 'tenantId'>[],
  source: MigrationSource,
  ledger: AppliedByTarget,
): readonly MigrationStatus[] {
  return targets.map((target) => {
    const applied = ledger.get(target.key) ?? [];
    const pending = pendingMigrations(source, applied, target).map(({ name }) => name);
    const version = source.migrations[source.migrations.length - pending.length - 1]?.name;
    return Object.freeze({ target: target.key, version, pending: Object.freeze(pending) });
  });
}
