import type { Sql } from 'postgres';
import { quoteIdentifier } from '../sql/identifier.ts';
import { inTransaction } from '../sql/transaction.ts';
import { type ClosedFunctions, closedFunctions } from './closed-functions.ts';

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
 * Takes from PUBLIC what a new database gives it and what no policy holds back:
 * - schema `public`, where before PostgreSQL 15 everybody may create tables: one that a tenant's session makes could stand in the way of another's;
 * - the language plpgsql, with which a DO block runs what a lane refuses, and swallows its own refusal;
 * - {@link closedFunctions}: large objects, ending other sessions, statements made out of texts, statistics and the like.
 *
 * An administrator who is no superuser may lack the right to take the last two; PostgreSQL then leaves them with a warning, and `verify`
 * says so.
 *
 * @param inDatabase the administrator's client on the new database
 * @param owner the role that migrates, which keeps the language for its functions
 */
export async function closePublicSchema(inDatabase: Sql, owner: string): Promise<void> {
  await inDatabase.unsafe('revoke all on schema public from public');
  await inDatabase.unsafe(`grant usage on language plpgsql to ${quoteIdentifier(owner)}; revoke usage on language plpgsql from public`);
  const functions = await inDatabase<{ signature: string; kept: boolean }[]>`
    select p.oid::regprocedure::text as signature, p.proname ~ ${patternOf(closedFunctions.filter(({ kept }) => kept === true))} as kept
    from pg_catalog.pg_proc p
    where p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ ${patternOf(closedFunctions)}
      and pg_catalog.has_function_privilege('public', p.oid, 'execute')`;
  if (functions.length === 0) return;
  const keepers = `${quoteIdentifier(owner)}, pg_monitor`;
  await inDatabase.unsafe(
    functions
      .flatMap(({ signature, kept }) => [
        ...(kept ? [`grant execute on function ${signature} to ${keepers}`] : []),
        `revoke execute on function ${signature} from public`,
      ])
      .join('; '),
  );
}

function patternOf(families: readonly ClosedFunctions[]): string {
  return families.map(({ pattern }) => `(?:${pattern})`).join('|');
}

/**
 * Takes schema `public` from PUBLIC as the database's owner: from PostgreSQL 15 on it is the owner's to do, where the administrator is no
 * superuser. The owner inherits nothing, so it becomes the role that owns the schema.
 *
 * @param owner a client with one connection that is the database's owner, by its login or by SET ROLE
 */
export async function closeOwnPublicSchema(owner: Sql): Promise<void> {
  const [server] = await owner<{ owned: boolean }[]>`select current_setting('server_version_num')::int >= 150000 as owned`;
  if (server?.owned !== true) return;
  await inTransaction(owner, async (sql) => {
    await sql`set local role pg_database_owner`;
    await sql`revoke all on schema public from public`;
  });
}
