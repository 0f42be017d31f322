import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { LaneLostError, LoginRefusedError, QueryFailedError } from '../../../src/errors.ts';
import type { PoolRequest } from '../../../src/routing/pool-request.ts';
import { checkServiceLogin, requireServiceLogin } from '../../../src/verify/login-check.ts';
import { PolicyDatabase } from '../../attacks/policy-database.ts';
import { adminUrl } from '../../support/server.ts';

let db: PolicyDatabase;
const restore: string[] = [];

beforeAll(async () => {
  db = await PolicyDatabase.open();
  await db.tenant('acme', 'create table products (tenant_id text not null, id int not null, primary key (tenant_id, id))');
});
afterEach(async () => {
  for (const sql of restore.splice(0).reverse()) await db.admin.unsafe(sql);
});
afterAll(async () => {
  await db?.[Symbol.asyncDispose]();
});

function request(changes: Partial<PoolRequest> = {}, port?: number): PoolRequest {
  const url = new URL(adminUrl(db.database));
  return {
    cluster: {
      id: 'local',
      region: 'here',
      host: url.hostname,
      port: port ?? Number(url.port || 5432),
      rolePrefix: db.prefix,
      dedicated: false,
      pooled: false,
      maxLanes: 1,
      tls: 'disable',
    },
    database: db.database,
    credentials: { user: db.app, password: db.password },
    ...changes,
  };
}

test('the login that provisioning makes is served', async () => {
  await expect(checkServiceLogin(request())).resolves.toBeUndefined();
});

describe('refused', () => {
  const app = (sql: string): string =>
    sql.replaceAll('APP', db.app).replaceAll('OWNER', db.owner).replaceAll('PREFIX', db.prefix).replaceAll('DATABASE', db.database);
  test.each([
    ['a superuser', 'alter role APP superuser', 'alter role APP nosuperuser', /superuser/],
    ['BYPASSRLS', 'alter role APP bypassrls', 'alter role APP nobypassrls', /BYPASSRLS/],
    ['CREATEROLE', 'alter role APP createrole', 'alter role APP nocreaterole', /CREATEROLE/],
    ['REPLICATION', 'alter role APP replication', 'alter role APP noreplication', /REPLICATION/],
    ['a member of the owner, which it does not inherit', 'grant OWNER to APP', 'revoke OWNER from APP', /owns/],
    [
      'a member of a BYPASSRLS role, two grants away',
      'create role PREFIX_a bypassrls; create role PREFIX_b noinherit in role PREFIX_a; grant PREFIX_b to APP',
      'drop role PREFIX_b; drop role PREFIX_a',
      /BYPASSRLS.*_a/,
    ],
    ['a member of pg_read_all_data', 'grant pg_read_all_data to APP', 'revoke pg_read_all_data from APP', /pg_read_all_data/],
    [
      'a member of pg_write_all_data, one grant away',
      'create role PREFIX_a in role pg_write_all_data; grant PREFIX_a to APP',
      'drop role PREFIX_a',
      /pg_write_all_data/,
    ],
    [
      'a member of pg_execute_server_program',
      'grant pg_execute_server_program to APP',
      'revoke pg_execute_server_program from APP',
      /pg_execute_server_program/,
    ],
    ['a member of pg_signal_backend', 'grant pg_signal_backend to APP', 'revoke pg_signal_backend from APP', /pg_signal_backend/],
    [
      'the owner of a table',
      'alter table acme.products owner to APP',
      'alter table acme.products owner to OWNER',
      /owns the relation "products/,
    ],
    ['the owner of a schema', 'alter schema acme owner to APP', 'alter schema acme owner to OWNER', /owns the schema "acme"/],
    [
      'the owner of a function',
      'alter function tenancy.in_maintenance() owner to APP',
      'alter function tenancy.in_maintenance() owner to OWNER',
      /owns the function "in_maintenance"/,
    ],
    [
      'the owner of the database',
      'alter database DATABASE owner to APP',
      'alter database DATABASE owner to OWNER; grant connect on database DATABASE to APP',
      /owns the database/,
    ],
    [
      'CREATE in a schema',
      'grant create on schema acme to APP',
      'revoke create on schema acme from APP',
      /create objects in the schema "acme"/,
    ],
    [
      'CREATE in the database',
      'grant create on database DATABASE to APP',
      'revoke create on database DATABASE from APP',
      /create objects in the database/,
    ],
    [
      'temporary tables, which PUBLIC may make',
      'grant temporary on database DATABASE to public',
      'revoke temporary on database DATABASE from public',
      /temporary tables/,
    ],
    [
      'temporary tables, by membership',
      'create role PREFIX_a; grant temporary on database DATABASE to PREFIX_a; grant PREFIX_a to APP',
      'drop owned by PREFIX_a; drop role PREFIX_a',
      /temporary tables.*membership/,
    ],
  ])('%s', async (_name, grant, undo, reason) => {
    restore.push(app(undo));
    await db.admin.unsafe(app(grant));
    const error = await checkServiceLogin(request()).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(LoginRefusedError);
    expect((error as Error).message).toMatch(reason);
    expect((error as Error).message).not.toContain(db.password);
  });

  test('the owner itself, and a superuser’s session in the service’s role', async () => {
    await expect(checkServiceLogin(request({ credentials: { user: db.owner, password: db.password } }))).rejects.toThrow(LoginRefusedError);
    await db.admin.unsafe(`set role ${db.app}`);
    const asked = requireServiceLogin(async (text) => await db.admin.unsafe(text), { database: db.database });
    await expect(asked).rejects.toThrow(/superuser/);
    await db.admin.unsafe('reset role');
  });
});

test('a server that is not there and a wrong password are told apart, and show no password', async () => {
  await expect(checkServiceLogin(request({}, 1))).rejects.toThrow(LaneLostError);
  const error = await checkServiceLogin(request({ credentials: { user: db.app, password: 'topsecret' } })).catch(
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(QueryFailedError);
  expect(error).toMatchObject({ sqlState: '28P01' });
  expect(String(error)).not.toContain('topsecret');
});
