import { createLaneDatabase, type LaneDatabase } from '../lane-database.ts';
import { serverMajor } from '../server.ts';
import type { JournalRow } from './journal.ts';

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

export async function journalRows({ admin }: LaneDatabase): Promise<readonly JournalRow[]> {
  return await admin<JournalRow[]>`select tenant_id as "tenantId", name from app.journal`;
}

/** Makes room for the next journal, which knows nothing of what an earlier one wrote. */
export async function clearJournal({ admin }: LaneDatabase): Promise<void> {
  await admin`truncate app.journal`;
}
