import { randomBytes } from 'node:crypto';
import type { Sql } from 'postgres';
import { quoteIdentifier, quoteLiteral } from '../sql/identifier.ts';
import { scramVerifier } from './scram-verifier.ts';

/** What no login of ours has: each of these would let it step over row-level security or reach other databases (DESIGN §5). */
const attributes = 'login nosuperuser nocreatedb nocreaterole nobypassrls noreplication noinherit';

/** A fresh password: 192 bits, of characters that need no escaping in URLs. */
export function randomPassword(): string {
  return randomBytes(24).toString('base64url');
}

/**
 * Makes a login or sets the password of one that exists. A role with the name but more rights than a login of ours may have is
 * brought back to them, so that a leftover can't widen access.
 *
 * @param admin a client whose login may create roles
 */
export async function ensureLogin(admin: Sql, name: string, password: string | undefined): Promise<void> {
  const [existing] = await admin<{ exists: boolean }[]>`select exists (select from pg_catalog.pg_roles where rolname = ${name})`;
  const verb = existing?.exists === true ? 'alter' : 'create';
  const secret = password === undefined ? '' : ` password ${quoteLiteral(scramVerifier(password))}`;
  // Not every administrator may name SUPERUSER, REPLICATION or BYPASSRLS, even to deny them; a new role has none of the three anyway.
  const [rights] = await admin<{ super: boolean }[]>`select rolsuper as super from pg_catalog.pg_roles where rolname = current_user`;
  const allowed = rights?.super === true ? attributes : 'login nocreatedb nocreaterole noinherit';
  await admin.unsafe(`${verb} role ${quoteIdentifier(name)} with ${allowed}${secret}`);
}

/**
 * Makes the administrator a member of a role, to own or alter its objects; a superuser needs no membership. From PostgreSQL 16 on, whoever
 * creates a role is a member that may neither use nor become it, until it grants itself both.
 */
export async function ensureMembership(admin: Sql, role: string): Promise<void> {
  const [me] = await admin<{ super: boolean; optioned: boolean }[]>`
    select r.rolsuper as super, current_setting('server_version_num')::int >= 160000 as optioned
    from pg_catalog.pg_roles r where r.rolname = current_user`;
  if (me?.super === true) return;
  await admin.unsafe(`grant ${quoteIdentifier(role)} to current_user${me?.optioned === true ? ' with inherit true, set true' : ''}`);
}

/** Drops a login if it is there; its objects must be gone already. */
export async function dropLogin(admin: Sql, name: string): Promise<void> {
  await admin.unsafe(`drop role if exists ${quoteIdentifier(name)}`);
}
