import type { Sql } from 'postgres';
import { quoteIdentifier } from '../sql/identifier.ts';

/**
 * Makes a database that nobody but its owner and its service login can enter: PUBLIC may by default connect to every database and
 * make temporary tables in it, which on a shared server would open each tenant's database to every other's login.
 *
 * @param admin a client on the server's maintenance database whose login may create databases
 * @returns whether it was made by this call
 */
export async function createTenantDatabase(
  admin: Sql,
  names: { readonly database: string; readonly owner: string; readonly app: string },
): Promise<boolean> {
  const [found] = await admin<{ exists: boolean }[]>`select exists (select from pg_catalog.pg_database where datname = ${names.database})`;
  const database = quoteIdentifier(names.database);
  const made = found?.exists !== true;
  if (made) await admin.unsafe(`create database ${database} owner ${quoteIdentifier(names.owner)} template template0 encoding 'UTF8'`);
  await admin.unsafe(`revoke all on database ${database} from public`);
  await admin.unsafe(`grant connect on database ${database} to ${quoteIdentifier(names.app)}`);
  return made;
}

/** Drops a database with everything in it, ending its sessions. */
export async function dropTenantDatabase(admin: Sql, database: string): Promise<void> {
  await admin.unsafe(`drop database if exists ${quoteIdentifier(database)} with (force)`);
}

/**
 * Takes from PUBLIC what a new database gives it in schema `public`: before PostgreSQL 15 everybody may create tables there, and a
 * table that a tenant's session makes could stand in the way of another's.
 *
 * @param inDatabase the administrator's client on the new database
 */
export async function closePublicSchema(inDatabase: Sql): Promise<void> {
  await inDatabase.unsafe('revoke all on schema public from public');
}
