import type { LaneTransaction } from '../../../src/connection/lane.ts';
import type { LanePool } from '../../../src/connection/lane-pool.ts';
import type { Statement } from '../../../src/connection/statement.ts';
import { LaneLostError, TenancyError } from '../../../src/errors.ts';
import { contextOf, createLaneDatabase, type LaneDatabase, rawContextOf, statementOf } from '../lane-database.ts';
import { serverMajor } from '../server.ts';

/** Something that must never happen. */
export interface KillViolation {
  /**
   * `foreign`: another tenant's row was read or written; `lost`, `kept`, `twice`: an acknowledged row is not there, a refused one is, one is there twice; `untyped`: an error
   * of nobody's; `hung`: something never settled.
   */
  readonly kind: 'foreign' | 'lost' | 'kept' | 'twice' | 'untyped' | 'hung';
  readonly what: string;
}

/** What became of a write, as far as its caller knows. */
type Outcome = 'acknowledged' | 'refused' | 'doubtful';

/**
 * A table in which nothing hides a mistake: the tenant of a row is whoever the session's context says, its name says who wrote it, and no key
 * keeps a name from being there twice.
 */
export async function createJournalDatabase(): Promise<LaneDatabase> {
  const database = await createLaneDatabase();
  const tenant = `nullif(current_setting('tenancy.context', true), '')`;
  await database.admin.unsafe(`
    create table app.journal (n bigint generated always as identity, tenant_id text not null, name text not null);
    alter table app.journal enable row level security;
    alter table app.journal force row level security;
    create policy tenant on app.journal using (tenant_id = ${tenant}) with check (tenant_id = ${tenant});
    grant select, insert on app.journal to ${database.login};
  `);
  // Connections are made by the thousand: from PostgreSQL 16 their passwords need not be stretched.
  if ((await serverMajor()) >= 16)
    await database.admin.unsafe(`set scram_iterations = 1; alter role ${database.login} password '${database.password}'`);
  return database;
}

const insertText = `insert into app.journal (tenant_id, name) values (current_setting('tenancy.context', true), $1) returning tenant_id, name`;
const readText = 'select tenant_id, name from app.journal order by n desc limit 3';

/** Writes numbered rows and knows what was acknowledged. */
export class Journal {
  readonly violations: KillViolation[] = [];
  readonly #writes = new Map<string, { readonly tenantId: string; readonly outcome: Outcome }>();
  #last = 0;

  note(kind: KillViolation['kind'], what: string): void {
    this.violations.push({ kind, what });
  }

  count(outcome: Outcome): number {
    return [...this.#writes.values()].filter((write) => write.outcome === outcome).length;
  }

  newName(tenantId: string): string {
    return `${tenantId}-${++this.#last}`;
  }

  /** Runs work that writes these rows, all or none; never rejects. */
  async write(tenantId: string, names: readonly string[], work: () => Promise<unknown>): Promise<void> {
    let outcome: Outcome = 'acknowledged';
    try {
      await work();
    } catch (error) {
      if (!(error instanceof TenancyError)) this.note('untyped', `a write of ${tenantId} met ${String(error)}`);
      outcome = error instanceof LaneLostError && error.sent ? 'doubtful' : 'refused';
    }
    for (const name of names) this.#writes.set(name, { tenantId, outcome });
  }

  /** A row that no outcome of its transaction keeps. */
  undone(tenantId: string, name: string): void {
    this.#writes.set(name, { tenantId, outcome: 'refused' });
  }

  /** One unit that writes one row. */
  async unit(pool: LanePool, tenantId: string, raw = false): Promise<void> {
    const name = this.newName(tenantId);
    const context = raw ? rawContextOf(tenantId) : contextOf(tenantId);
    await this.write(tenantId, [name], async () =>
      this.#own(tenantId, (await pool.run({ context, statement: statementOf(insertText, [name], { prepare: !raw }) })).rows),
    );
  }

  /** One unit that reads. @throws what the pool throws */
  async read(pool: Pick<LanePool, 'run'>, tenantId: string): Promise<void> {
    this.#own(tenantId, (await pool.run({ context: contextOf(tenantId), statement: statementOf(readText) })).rows);
  }

  /** The same in a transaction. @throws what the transaction throws */
  async writeIn(transaction: LaneTransaction, tenantId: string, name: string): Promise<void> {
    await this.#execute(transaction, tenantId, statementOf(insertText, [name]));
  }
  async readIn(transaction: LaneTransaction, tenantId: string): Promise<void> {
    await this.#execute(transaction, tenantId, statementOf(readText));
  }

  /** Compares the table, as a superuser, with what is known of every write. */
  async compare({ admin }: LaneDatabase): Promise<void> {
    const rows = await admin<{ tenant_id: string; name: string; n: number }[]>`
      select tenant_id, name, count(*)::int as n from app.journal group by 1, 2`;
    const there = new Set<string>();
    for (const { tenant_id, name, n } of rows) {
      there.add(name);
      const write = this.#writes.get(name);
      if (write?.tenantId !== tenant_id) this.note('foreign', `${name} is a row of ${tenant_id}`);
      if (write?.outcome === 'refused') this.note('kept', `${name} was refused and is there`);
      if (n > 1) this.note('twice', `${name} is there ${n} times`);
    }
    for (const [name, { outcome }] of this.#writes)
      if (outcome === 'acknowledged' && !there.has(name)) this.note('lost', `${name} was acknowledged and is not there`);
  }

  async #execute(transaction: LaneTransaction, tenantId: string, statement: Statement): Promise<void> {
    this.#own(tenantId, (await transaction.execute(statement)).rows);
  }

  #own(tenantId: string, rows: readonly unknown[]): void {
    for (const [owner, name] of rows as readonly [string, string][])
      if (owner !== tenantId || !name.startsWith(`${tenantId}-`)) this.note('foreign', `${tenantId} met the row ${name} of ${owner}`);
  }
}
