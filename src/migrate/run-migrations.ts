import { basename, dirname, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type MigrationBuilder, runner } from 'node-pg-migrate';
import type { ClientBase, QueryConfig, QueryResult } from 'pg';
import { MigrationError } from '../errors.ts';
import { type AdoptedColumn, refuseLostPlaintext, refuseUnguardedDrop, uncontractedColumns } from './adopted-columns.ts';
import { refuseExposedTables } from './exposure.ts';
import type { MigrationSession } from './migration-session.ts';
import { type Migration, type MigrationActions, type MigrationSource, migrationsTable } from './migration-source.ts';
import type { MigrationTarget } from './migration-target.ts';
import { referenceFingerprint, refuseSharedChanges } from './shared-tables.ts';
import { statementRules } from './statement-rules.ts';

const thisFile = fileURLToPath(import.meta.url);

/** The runner's log holds the SQL of what failed, values included. */
const silent = { debug: (): void => {}, info: (): void => {}, warn: (): void => {}, error: (): void => {} };

/**
 * Applies everything pending through node-pg-migrate's runner, in one transaction as far as PostgreSQL allows it: a migration with
 * `pgm.noTransaction()`, CREATE INDEX CONCURRENTLY or the like commits what went before and runs statement by statement, and one that
 * adds a value to an enum is committed before the next.
 *
 * @param onStart called with each migration when it begins
 */
export async function runMigrations(
  session: MigrationSession,
  source: MigrationSource,
  target: MigrationTarget,
  onStart: (migration: Migration) => void,
): Promise<void> {
  const before = { reference: await referenceFingerprint(session), adopted: await uncontractedColumns(session, target) };
  const run = new MigrationRun(session, target, before, onStart);
  await runner({
    dbClient: run as unknown as ClientBase,
    // The files were read once, for all targets. The runner lists a directory all the same, so it is shown one file, which stands for
    // all of them: this one, because it is always there, also when a deployment replaces the migrations meanwhile.
    dir: dirname(thisFile),
    ignorePattern: `(?!${basename(thisFile).replaceAll('.', '\\.')}$).*`,
    migrationLoaderStrategies: [
      { extensions: [extname(thisFile)], loader: async () => source.migrations.map((migration) => run.unit(migration)) },
    ],
    direction: 'up',
    migrationsTable,
    migrationsSchema: target.schema,
    createSchema: false,
    createMigrationsSchema: false,
    checkOrder: true,
    singleTransaction: true,
    // Its lock is one number for a whole database; the session holds one of the target's own.
    noLock: true,
    logger: silent,
  });
}

/** One migration as the runner's loaders give it. */
interface RunnerUnit {
  readonly id: string;
  readonly filePaths: string[];
  readonly actions: MigrationActions & { readonly down: false };
}

/** What there was before the first migration, to compare with before each COMMIT. */
interface Before {
  readonly reference: string;
  readonly adopted: readonly AdoptedColumn[];
}

/** What the runner takes for a client: the session, with the rules of a migration put between. */
class MigrationRun {
  readonly #session: MigrationSession;
  readonly #target: MigrationTarget;
  readonly #before: Before;
  readonly #onStart: (migration: Migration) => void;
  /** The builder whose `up` is under way, for queries that the migration itself sends. */
  #building: MigrationBuilder | undefined;
  #enumValueAdded = false;

  constructor(session: MigrationSession, target: MigrationTarget, before: Before, onStart: (migration: Migration) => void) {
    this.#session = session;
    this.#target = target;
    this.#before = before;
    this.#onStart = onStart;
  }

  unit(migration: Migration): RunnerUnit {
    const { shorthands } = migration.actions;
    const up = async (pgm: MigrationBuilder): Promise<void> => this.#up(migration, pgm);
    return {
      id: migration.file,
      filePaths: [migration.file],
      actions: shorthands === undefined ? { up, down: false } : { up, down: false, shorthands },
    };
  }

  async query(query: string | QueryConfig, values?: unknown[]): Promise<QueryResult> {
    const text = typeof query === 'string' ? query : query.text;
    if (this.#building !== undefined) await this.#checkOwnQuery(text, this.#building);
    else if (/^(?:COMMIT|ROLLBACK);?$/.test(text)) return this.#end(text);
    await this.#session.renewIfOld();
    if (!this.#session.inTransaction) refuseUnguardedDrop(text, this.#target, this.#before.adopted);
    if (values !== undefined || typeof query !== 'string' || this.#session.inTransaction) return this.#session.query(query, values);
    return this.#queryOutsideTransaction(query);
  }

  async #up(migration: Migration, pgm: MigrationBuilder): Promise<void> {
    this.#onStart(migration);
    if (this.#enumValueAdded) {
      await this.query('COMMIT');
      await this.query('BEGIN');
      this.#enumValueAdded = false;
    }
    await this.#session.renew();
    this.#building = pgm;
    try {
      await callUp(migration, pgm);
    } finally {
      this.#building = undefined;
    }
    for (const step of pgm.getSqlSteps()) this.#checkStep(step, pgm);
  }

  #checkStep(sql: string, pgm: MigrationBuilder): void {
    const rules = statementRules(sql);
    if (rules.needsNoTransaction) pgm.noTransaction();
    if (rules.addsEnumValue) this.#enumValueAdded = true;
    if (rules.transactionControl === undefined) return;
    throw new MigrationError(`it holds ${rules.transactionControl.toUpperCase()}, which would end the transaction that keeps it whole.`, {
      hint: 'Leave transactions to the library; pgm.noTransaction() makes a migration run without one.',
    });
  }

  /** A query that a migration sends by itself through `pgm.db`. */
  async #checkOwnQuery(text: string, pgm: MigrationBuilder): Promise<void> {
    this.#checkStep(text, pgm);
    if (!pgm.isUsingTransaction() && this.#session.inTransaction) await this.#end('COMMIT');
  }

  async #end(text: string): Promise<QueryResult> {
    if (text.startsWith('COMMIT') && this.#session.inTransaction) {
      await refuseExposedTables(this.#session, this.#target);
      await refuseSharedChanges(this.#session, this.#target, this.#before.reference);
      await refuseLostPlaintext(this.#session, this.#target, this.#before.adopted);
    }
    return this.#session.query(text);
  }

  /** Sent as one message, several statements are one transaction again: they go one by one. */
  async #queryOutsideTransaction(sql: string): Promise<QueryResult> {
    const { needsNoTransaction, statements } = statementRules(sql);
    if (!needsNoTransaction || statements.length < 2) return this.#session.query(sql);
    let result: QueryResult | undefined;
    for (const statement of statements) {
      await this.#session.renewIfOld();
      result = await this.#session.query(statement.text);
    }
    return result!;
  }
}

/** A function with two parameters is given a callback to say that it is done (node-pg-migrate's older form). */
async function callUp(migration: Migration, pgm: MigrationBuilder): Promise<void> {
  const { up } = migration.actions;
  if (up.length === 2)
    await new Promise<void>((resolve, reject) => {
      Promise.resolve(up(pgm, resolve)).catch(reject);
    });
  else await up(pgm);
}
