import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { sqlFiles } from '../../../src/sql/sql-files.ts';
import { applySqlSet } from '../../../src/sql/sql-set.ts';
import { adminClient, createDatabase, uniquePrefix } from '../../support/server.ts';

test('a catalog of the release before is brought forward in place: its entries stay, and its services go on', async () => {
  const prefix = uniquePrefix();
  const [owner, catalog] = [`${prefix}_owner`, `${prefix}_catalog`];
  const server = adminClient();
  for (const role of [owner, catalog]) await server.unsafe(`create role ${role} login nosuperuser noinherit`);
  const database = await createDatabase(`${prefix}_db`);
  const admin = adminClient(database.name);
  try {
    await admin.unsafe(`grant all on database ${database.name} to ${owner}; grant usage on schema public to ${catalog}; set role ${owner}`);
    const files = sqlFiles('catalog');
    const before = files.filter(({ name }) => name < '0006');
    expect(await applySqlSet(admin, 'catalog', { owner, catalog }, { files: before })).toHaveLength(5);
    const append = async (row: object) => {
      await admin.unsafe(`reset role; set session authorization ${catalog}`);
      const [answer] = await admin<{ n: number }[]>`select tenancy.append_audit(${admin.json([row] as never)}) as n`;
      await admin.unsafe('reset session authorization');
      return answer?.n;
    };
    const old = { id: randomUUID(), at: '2026-01-01T00:00:00Z', action: 'login', outcome: 'refused', detail: { n: 1 } };
    expect(await append(old)).toBe(1);
    await admin.unsafe(`set role ${owner}`);
    expect(await applySqlSet(admin, 'catalog', { owner, catalog })).toEqual(
      files.filter(({ name }) => name >= '0006').map(({ name }) => name),
    );
    expect(await admin`select id, detail, writer, mac from tenancy.audit_log`).toEqual([
      { id: old.id, detail: { n: 1 }, writer: null, mac: null },
    ]);
    expect(await admin`select last_seq::int from tenancy.audit_chain_start`).toEqual([{ last_seq: 1 }]);
    // What a service of the release before sends: once more what it had sent, and something new.
    expect(await append(old)).toBe(0);
    expect(await append({ ...old, id: randomUUID() })).toBe(1);
  } finally {
    await admin.end();
    await database[Symbol.asyncDispose]();
    await server.unsafe(`drop role if exists ${catalog}; drop role if exists ${owner}`);
    await server.end();
  }
});
