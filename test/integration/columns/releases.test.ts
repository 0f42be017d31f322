import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { text } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ControlPlane, createControlPlane } from '../../../src/control.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import { adminUrl } from '../../support/server.ts';

const id = () => text('id').notNull();
const letters = {
  before: tenantTable('letters', { id: id(), body: text('body').notNull() }, (t) => [tenantKey(t.id)]),
  first: tenantTable(
    'letters',
    { id: id(), body: encryptedText('body_encrypted', { adopt: { from: 'body', write: 'plaintext' } }).notNull() },
    (t) => [tenantKey(t.id)],
  ),
  second: tenantTable(
    'letters',
    { id: id(), body: encryptedText('body_encrypted', { adopt: { from: 'body', write: 'encrypted' } }).notNull() },
    (t) => [tenantKey(t.id)],
  ),
  third: tenantTable('letters', { id: id(), body: encryptedText('body_encrypted').notNull() }, (t) => [tenantKey(t.id)]),
};
type Release = keyof typeof letters;

const migrations = {
  '0001_letters': 'create table letters (tenant_id text not null, id text not null, body text not null, primary key (tenant_id, id));',
  '0002_adopting': `alter table letters alter column body drop not null; alter table letters add column body_encrypted bytea;
    alter table letters add constraint letters_body_adopting check (num_nonnulls(body, body_encrypted) = 1);`,
  '0003_adopted': `alter table letters drop constraint letters_body_adopting; alter table letters drop column body;
    alter table letters alter column body_encrypted set not null;`,
};

let directory: string;
let platform: TestPlatform<Record<string, unknown>>;
const controls: ControlPlane[] = [];
const services = new Map<Release, TestPlatform<Record<string, unknown>>['tenancy']>();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'releases-'));
  await add('0001_letters');
  const tenants = ['acme', 'globex'].map((tenant) => ({ id: tenant, tier: 'standard' }));
  platform = await createTestPlatform<Record<string, unknown>>({
    schema: { letters: letters.before },
    adminUrl: adminUrl(),
    migrations: { directory },
    tenants,
  });
  services.set('before', platform.tenancy);
}, 60_000);
afterAll(async () => {
  for (const control of controls) await control.close();
  await platform?.close();
  await rm(directory, { recursive: true, force: true });
});

async function add(name: keyof typeof migrations): Promise<void> {
  await writeFile(join(directory, `${name}.sql`), `-- Up Migration\n${migrations[name]}\n`);
}

/** The control plane as it is started with the migrations that there are now. */
async function migrate() {
  const control = await createControlPlane({ ...platform.controlOptions, kms: platform.keyManagers() });
  controls.push(control);
  return { control, report: await control.migrate() };
}

async function deploy(release: Release): Promise<void> {
  services.set(release, await platform.open({ schema: { letters: letters[release] } }));
}

const as = async <T>(
  release: Release,
  work: (db: TestPlatform<Record<string, unknown>>['tenancy']['db'], table: typeof letters.third) => Promise<T>,
): Promise<T> => {
  const tenancy = services.get(release)!;
  return await tenancy.run('acme', async () => await work(tenancy.db, letters[release] as typeof letters.third));
};
const write = async (release: Release, key: string, body: string): Promise<void> =>
  void (await as(
    release,
    async (db, table) => await db.insert(table).values({ id: key, body }).onConflictDoUpdate({ target: table.id, set: { body } }),
  ));
const read = async (release: Release): Promise<Record<string, string>> =>
  Object.fromEntries((await as(release, async (db, table) => await db.select().from(table))).map((row) => [row.id, row.body]));
const change = async (release: Release, key: string, body: string) =>
  await as(release, async (db, table) => await db.update(table).set({ body }).where(eq(table.id, key)).returning({ id: table.id }));

test('three releases take a column over, each beside the one before it, and nothing is unreadable or lost on the way', async () => {
  await write('before', 'a', 'from before');

  await add('0002_adopting');
  expect((await migrate()).report.failed).toBe(0);
  await deploy('first');
  await write('first', 'b', 'by the first');
  await write('before', 'a', 'changed before');
  await change('first', 'a', 'changed by the first');
  await change('before', 'b', 'changed before');
  for (const release of ['before', 'first'] as const)
    expect(await read(release)).toEqual({ a: 'changed by the first', b: 'changed before' });

  await deploy('second');
  await write('second', 'c', 'by the second');
  await change('second', 'b', 'changed by the second');
  for (const release of ['first', 'second'] as const)
    expect(await read(release)).toEqual({ a: 'changed by the first', b: 'changed by the second', c: 'by the second' });
  // Code from before the first release reads nothing there, and is stopped when it writes.
  expect(await read('before')).toMatchObject({ c: null });
  await expect(change('before', 'c', 'unseen')).rejects.toMatchObject({ sqlState: '23514' });
  await change('first', 'c', 'back in plaintext');
  expect(await read('second')).toMatchObject({ c: 'back in plaintext' });

  await add('0003_adopted');
  const schema = { letters: letters.second };
  const early = await migrate();
  expect(early.report).toMatchObject({ failed: 2 });
  expect(await read('second')).toMatchObject({ c: 'back in plaintext' });
  expect(await early.control.columns.backfill({ schema })).toMatchObject({ done: true, failed: 0 });
  const filled = (await migrate()).report;
  expect(filled).toMatchObject({ failed: 2 });
  for (const { error } of filled.targets) expect(error?.message).toContain('drops letters.body');
  expect((await early.control.columns.contract({ schema })).failed).toBe(0);

  await deploy('third');
  await write('third', 'd', 'by the third');
  const all = { a: 'changed by the first', b: 'changed by the second', c: 'back in plaintext', d: 'by the third' };
  for (const release of ['second', 'third'] as const) expect(await read(release)).toEqual(all);

  const last = await migrate();
  expect(last.report).toMatchObject({ failed: 0 });
  expect(await read('third')).toEqual(all);
  await write('third', 'e', 'after');
  expect(await read('third')).toEqual({ ...all, e: 'after' });
  // A tenant that comes later has no plaintext to lose.
  await last.control.provision({ id: 'later', name: 'later', tier: 'standard', region: 'us-east-1' });
  expect((await last.control.columns.status({ schema: { letters: letters.third } })).map(({ columns, error }) => [columns, error])).toEqual(
    [
      [[], undefined],
      [[], undefined],
      [[], undefined],
    ],
  );
}, 60_000);
