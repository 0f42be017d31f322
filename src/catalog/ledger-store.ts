import { CatalogError } from '../errors.ts';
import type { CatalogSession } from './catalog-session.ts';

/** What a migration is applied to: one schema of one database. */
export interface MigrationTarget {
  readonly clusterId: string;
  readonly database: string;
  readonly schema: string;
}

export interface AppliedMigration {
  readonly migration: string;
  readonly checksum: string;
  readonly appliedAt: Date;
}

/** One target with its migrations in the order of their names. */
export interface TargetLedger extends MigrationTarget {
  readonly migrations: readonly AppliedMigration[];
}

interface LedgerRow {
  migration: string;
  checksum: string;
  applied_at: Date;
}

/** The owner's side of `tenancy.migrations_ledger`: which migrations every target has, so that a run with nothing to do is one query. */
export class LedgerStore {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  async applied(target: MigrationTarget): Promise<readonly AppliedMigration[]> {
    const rows = await this.#session.query(
      { doing: `reading the migrations of ${nameOf(target)}` },
      (sql) => sql<LedgerRow[]>`
      select migration, checksum, applied_at from tenancy.migrations_ledger
      where cluster_id = ${target.clusterId} and database = ${target.database} and schema = ${target.schema} order by migration`,
    );
    return rows.map(appliedOf);
  }

  /** Every target that has migrations, in one statement. */
  async all(): Promise<readonly TargetLedger[]> {
    const rows = await this.#session.query(
      { doing: 'reading the migrations of every target' },
      (sql) => sql<
        (LedgerRow & {
          cluster_id: string;
          database: string;
          schema: string;
        })[]
      >`
      select cluster_id, database, schema, migration, checksum, applied_at from tenancy.migrations_ledger
      order by cluster_id, database, schema, migration`,
    );
    const targets: (MigrationTarget & { migrations: AppliedMigration[] })[] = [];
    for (const row of rows) {
      let last = targets.at(-1);
      if (last === undefined || last.clusterId !== row.cluster_id || last.database !== row.database || last.schema !== row.schema) {
        last = { clusterId: row.cluster_id, database: row.database, schema: row.schema, migrations: [] };
        targets.push(last);
      }
      last.migrations.push(appliedOf(row));
    }
    return targets;
  }

  /**
   * Records migrations that a target has now; what is recorded already stays.
   *
   * @throws {CatalogError} when one is recorded with another checksum
   */
  async record(target: MigrationTarget, migrations: readonly Pick<AppliedMigration, 'migration' | 'checksum'>[]): Promise<void> {
    if (migrations.length === 0) return;
    const rows = await this.#session.query(
      { doing: `recording the migrations of ${nameOf(target)}` },
      (sql) => sql<{ migration: string }[]>`
      with given as (select migration, checksum from jsonb_to_recordset(${sql.json(migrations.map(({ migration, checksum }) => ({ migration, checksum })))}) as g(migration text, checksum text)),
        written as (
          insert into tenancy.migrations_ledger (cluster_id, database, schema, migration, checksum)
          select ${target.clusterId}, ${target.database}, ${target.schema}, migration, checksum from given
          on conflict do nothing)
      select l.migration from tenancy.migrations_ledger l join given g on g.migration = l.migration and g.checksum <> l.checksum
      where l.cluster_id = ${target.clusterId} and l.database = ${target.database} and l.schema = ${target.schema}`,
    );
    if (rows.length > 0) {
      throw new CatalogError(
        `${nameOf(target)} has ${rows.map((row) => row.migration).join(', ')} with another content than the file has now.`,
        {
          hint: 'A migration that was applied is never edited: write a new one.',
        },
      );
    }
  }

  /** Forgets a target that is gone. */
  async remove(target: MigrationTarget): Promise<void> {
    await this.#session.query(
      { doing: `forgetting the migrations of ${nameOf(target)}` },
      (sql) => sql`
      delete from tenancy.migrations_ledger
      where cluster_id = ${target.clusterId} and database = ${target.database} and schema = ${target.schema}`,
    );
  }
}

function nameOf(target: MigrationTarget): string {
  return `${target.clusterId}/${target.database}/${target.schema}`;
}

function appliedOf(row: LedgerRow): AppliedMigration {
  return Object.freeze({ migration: row.migration, checksum: row.checksum, appliedAt: row.applied_at });
}
