import postgres from 'postgres';
import { isServerError, lostError, queryError } from '../connection/driver-error.ts';
import { LoginRefusedError, TenancyError } from '../errors.ts';
import type { PoolRequest } from '../routing/pool-request.ts';
import { type LoginFacts, loginFactsQuery, loginRefusal } from './login-facts.ts';

/**
 * Refuses a service login that could step over row-level security (THREATS, "Policies"): superuser, BYPASSRLS, CREATEROLE, REPLICATION, owner
 * of anything in the database, or a member of such a role or of one of PostgreSQL's own, however many grants away and whether or not it
 * inherits. Also one that may create objects or temporary tables: a table of its own making could stand in the way of another tenant's.
 *
 * @param query runs one statement as the login and answers its rows
 * @throws {LoginRefusedError} naming what the login may
 */
export async function requireServiceLogin(
  query: (text: string) => Promise<readonly unknown[]>,
  place: { readonly database: string },
): Promise<void> {
  const [facts] = (await query(loginFactsQuery('session_user, current_user'))) as readonly LoginFacts[];
  const reason = facts === undefined ? 'could not be looked at' : loginRefusal(facts);
  if (reason === undefined) return;
  throw new LoginRefusedError(
    `The service login "${facts?.login ?? '?'}" of ${place.database} ${reason}: row-level security would not hold for it.`,
    {
      hint: 'Give services the login that provisioning made for them.',
    },
  );
}

/**
 * The same for the login of a pool that is about to open, on a connection of its own.
 *
 * @throws {LoginRefusedError} naming what the login may
 * @throws {LaneLostError} when the server can't be reached, {@link QueryFailedError} when it does not let the login in
 */
export async function checkServiceLogin(request: PoolRequest): Promise<void> {
  const { cluster, database, credentials } = request;
  const sql = postgres({
    host: cluster.host,
    port: cluster.port,
    database,
    username: credentials.user,
    password: credentials.password,
    ssl: cluster.tls === 'verify-full' ? 'verify-full' : false,
    max: 1,
    prepare: false,
    fetch_types: false,
    connect_timeout: 10,
    onnotice: () => {},
    connection: { application_name: 'tenancy-login-check' },
  });
  try {
    await requireServiceLogin(async (text) => await sql.unsafe(text), { database: `${cluster.id}/${database}` });
  } catch (error) {
    if (error instanceof TenancyError) throw error;
    throw isServerError(error)
      ? queryError(error, undefined, `Checking the service login of ${cluster.id}/${database}`)
      : lostError(undefined, false);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
