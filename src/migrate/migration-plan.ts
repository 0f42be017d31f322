import { MigrationError } from '../errors.ts';
import type { AppliedMigration, Migration, MigrationSource } from './migration-source.ts';

/** Whose plan it is, for messages. */
export interface PlannedFor {
  readonly key: string;
  readonly tenantId: string | undefined;
}

/**
 * What is left to apply, after the ledger was held against the source.
 *
 * @param applied in any order; `checksum` is undefined where only a name is known
 * @throws {MigrationError} when an applied migration's file changed, is gone, or stands behind one that was never applied
 */
export function pendingMigrations(
  source: MigrationSource,
  applied: readonly { readonly migration: string; readonly checksum: string | undefined }[],
  target: PlannedFor,
): readonly Migration[] {
  const byName = new Map(source.migrations.map((migration) => [migration.name, migration]));
  for (const { migration: name, checksum } of applied) {
    const migration = byName.get(name);
    if (migration === undefined) {
      throw planError(
        target,
        name,
        `was applied to ${target.key}, but is not in ${source.directory}`,
        'Migrate with the newest release; never rename or delete an applied migration.',
      );
    }
    if (checksum !== undefined && checksum !== migration.checksum) {
      throw planError(
        target,
        name,
        `was changed after it had been applied to ${target.key}`,
        'Restore the file and put the change into a new migration.',
      );
    }
  }
  const names = new Set(applied.map(({ migration }) => migration));
  const firstPending = source.migrations.findIndex(({ name }) => !names.has(name));
  if (firstPending < 0) return [];
  const pending = source.migrations.slice(firstPending);
  const later = pending.find(({ name }) => names.has(name));
  if (later !== undefined) {
    const missing = pending[0]!.name;
    throw planError(
      target,
      missing,
      `was not applied to ${target.key}, but "${later.name}" behind it was`,
      'Give it a number behind all applied migrations.',
    );
  }
  return pending;
}

/** What a ledger must say of these migrations. */
export function asApplied(migrations: readonly Migration[]): readonly AppliedMigration[] {
  return migrations.map(({ name, checksum }) => ({ migration: name, checksum }));
}

function planError(target: PlannedFor, migration: string, what: string, hint: string): MigrationError {
  return new MigrationError(`The migration "${migration}" ${what}.`, { tenantId: target.tenantId, migration, hint });
}
