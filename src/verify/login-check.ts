import postgres from 'postgres';
import { LoginRefusedError } from '../errors.ts';
import type { PoolRequest } from '../routing/pool-request.ts';

/** Roles of PostgreSQL's own whose members read, write or end what is not theirs. */
const dangerous = [
  'pg_read_all_data', 'pg_write_all_data', 'pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_signal_backend',
  'pg_maintain', 'pg_checkpoint', 'pg_create_subscription', 'pg_database_owner',
] as const;

interface LoginFacts {
  readonly login: string;
  readonly superuser: string | null;
  readonly bypass: string | null;
  readonly dangerous: string | null;
  readonly owned: string | null;
  readonly creates: string | null;
  readonly temporary: boolean;
}

/**
 * Refuses a service login that could step over row-level security: superuser, BYPASSRLS, owner of anything in the database, or a member of
 * such a role, however many grants away and whether or not it inherits (`set role` is enough). Also one that may create objects or temporary
 * tables: a table of its own making could stand in the way of another tenant's.
 *
 * @throws {LoginRefusedError} naming what the login may
 */
export async function checkServiceLogin(request: PoolRequest): Promise<void> {
  const { cluster, database, credentials } = request;
  const sql = postgres({
    host: cluster.host, port: cluster.port, database, username: credentials.user, password: credentials.password,
    ssl: cluster.tls === 'verify-full' ? 'verify-full' : false,
    max: 1, prepare: false, fetch_types: false, connect_timeout: 10, onnotice: () => {},
  });
  try {
    const facts = await factsOf(sql);
    const reason = refusalReason(facts);
    if (reason !== undefined) {
      throw new LoginRefusedError(`The service login "${facts.login}" of ${cluster.id}/${database} ${reason}: row-level security would not hold for it.`, {
        hint: 'Give services the login that provisioning made for them.',
      });
    }
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Why a login is refused, or undefined. */
function refusalReason(facts: LoginFacts): string | undefined {
  const through = (role: string): string => (role === facts.login ? '' : `, through its membership of "${role}"`);
  if (facts.superuser !== null) return `is a superuser${through(facts.superuser)}`;
  if (facts.bypass !== null) return `has BYPASSRLS${through(facts.bypass)}`;
  if (facts.owned !== null) return `owns ${facts.owned}`;
  if (facts.dangerous !== null) return `is a member of "${facts.dangerous}"`;
  if (facts.creates !== null) return `may create objects in ${facts.creates}`;
  if (facts.temporary) return 'may make temporary tables';
  return undefined;
}

/** One statement: what the login is and may, with every role that it could become. */
async function factsOf(sql: postgres.Sql): Promise<LoginFacts> {
  const [facts] = await sql<LoginFacts[]>`
    with recursive mine (oid) as (
      select oid from pg_catalog.pg_roles where rolname in (session_user, current_user)
      union
      select m.roleid from pg_catalog.pg_auth_members m join mine on m.member = mine.oid
    ), roles as (select r.* from pg_catalog.pg_roles r join mine on mine.oid = r.oid)
    select session_user::text as login,
      (select rolname::text from roles where rolsuper limit 1) as superuser,
      (select rolname::text from roles where rolbypassrls limit 1) as bypass,
      (select rolname::text from roles where rolname::text = any (string_to_array(${dangerous.join(',')}, ',')) limit 1) as dangerous,
      coalesce(
        (select 'the database' from pg_catalog.pg_database d join mine on d.datdba = mine.oid where d.datname = current_database() limit 1),
        (select 'the schema "' || n.nspname || '"' from pg_catalog.pg_namespace n join mine on n.nspowner = mine.oid where n.nspname !~ '^pg_' limit 1),
        (select 'the relation "' || c.relname || '"' from pg_catalog.pg_class c join mine on c.relowner = mine.oid limit 1),
        (select 'the function "' || p.proname || '"' from pg_catalog.pg_proc p join mine on p.proowner = mine.oid limit 1)
      ) as owned,
      coalesce(
        (select 'the database' where pg_catalog.has_database_privilege(current_database(), 'create')),
        (select 'the schema "' || n.nspname || '"' from pg_catalog.pg_namespace n
         where n.nspname !~ '^pg_(toast|temp)' and n.nspname not in ('pg_catalog', 'information_schema') and pg_catalog.has_schema_privilege(n.oid, 'create') limit 1)
      ) as creates,
      pg_catalog.has_database_privilege(current_database(), 'temporary') as temporary`;
  if (facts === undefined) throw new LoginRefusedError('The service login could not be looked at.');
  return facts;
}
