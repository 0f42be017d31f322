import { randomBytes } from 'node:crypto';
import type { Sql } from 'postgres';
import type { Lane, UnitContext } from '../../src/connection/lane.ts';
import { openPostgresLane, type PostgresLaneOptions } from '../../src/connection/postgres-lane.ts';
import type { Statement } from '../../src/connection/statement.ts';
import { adminClient, adminUrl, createDatabase, uniquePrefix, urlOf } from './server.ts';

/**
 * A database with a service login that is no superuser, and one table under row-level security whose policy reads the tenant from
 * `tenancy.context` in plain text: a stand-in for the signed context that the other floors provide.
 */
export interface LaneDatabase extends AsyncDisposable {
  readonly name: string;
  readonly login: string;
  readonly password: string;
  /** The login's URL, for a stock driver beside ours. */
  readonly url: string;
  readonly admin: Sql;
  lane(options?: Partial<PostgresLaneOptions>): Promise<Lane>;
  laneOptions(options?: Partial<PostgresLaneOptions>): PostgresLaneOptions;
}

export async function createLaneDatabase(): Promise<LaneDatabase> {
  const prefix = uniquePrefix();
  const name = `${prefix}_lanes`;
  const login = `${prefix}_app`;
  const password = randomBytes(12).toString('hex');
  const database = await createDatabase(name);
  const server = adminClient();
  await server.unsafe(`create role ${login} login password '${password}' nosuperuser nobypassrls`);
  await server.end();
  const admin = adminClient(name);
  await admin.unsafe(`
    create schema app;
    create table app.products (id serial, tenant_id text not null, name text not null, primary key (tenant_id, id), unique (tenant_id, name) deferrable);
    alter table app.products enable row level security;
    alter table app.products force row level security;
    create policy tenant on app.products using (tenant_id = nullif(current_setting('tenancy.context', true), ''))
      with check (tenant_id = nullif(current_setting('tenancy.context', true), ''));
    grant usage on schema app to ${login};
    grant select, insert, update, delete on app.products to ${login};
    grant usage on sequence app.products_id_seq to ${login};
    create table public.unprotected (tenant_id text, name text);
    grant all on public.unprotected to ${login};
  `);
  const url = new URL(adminUrl(name));
  const laneOptions = (options: Partial<PostgresLaneOptions> = {}): PostgresLaneOptions => ({
    host: url.hostname,
    port: Number(url.port || 5432),
    tls: 'disable',
    database: name,
    credentials: { user: login, password },
    ...options,
  });
  return {
    name,
    login,
    password,
    admin,
    url: urlOf(login, password, name),
    laneOptions,
    lane: async (options) => await openPostgresLane(laneOptions(options)),
    async [Symbol.asyncDispose]() {
      await admin.end();
      await database[Symbol.asyncDispose]();
      const last = adminClient();
      await last.unsafe(`drop role if exists ${login}`);
      await last.end();
    },
  };
}

/** Every wire that a lane may have. */
export const wires = ['own', 'driver'] as const;

/** A context whose token is the tenant's id. */
export function contextOf(tenantId: string, more: Partial<UnitContext> = {}): UnitContext {
  return { tenantId, sign: () => tenantId, searchPath: undefined, raw: false, ...more };
}

/** A context as raw SQL has it. */
export function rawContextOf(tenantId: string): UnitContext {
  return contextOf(tenantId, { searchPath: 'app, pg_temp', raw: true });
}

export function statementOf(text: string, params: readonly unknown[] = [], more: Partial<Statement> = {}): Statement {
  return { text, params, rows: 'array', prepare: true, ...more };
}

export const insertProduct = (tenantId: string, name: string): Statement =>
  statementOf('insert into app.products (tenant_id, name) values ($1, $2) returning id', [tenantId, name]);

export const selectNames = statementOf('select name from app.products order by name');
