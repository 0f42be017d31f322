import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { integer } from 'drizzle-orm/pg-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { blindIndex } from '../../../src/database/blind-index.ts';
import { EncryptedColumn } from '../../../src/database/encrypted-column.ts';
import { encryptedDate } from '../../../src/database/encrypted-date.ts';
import { encryptedJson } from '../../../src/database/encrypted-json.ts';
import { encryptedNumber } from '../../../src/database/encrypted-number.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { IsolationError } from '../../../src/errors.ts';
import { assertEncrypted } from '../../../src/testing/assert-encrypted.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import { adminUrl } from '../../support/server.ts';

const people = tenantTable(
  'people',
  {
    id: integer('id').notNull(),
    email: encryptedText('email', { index: blindIndex({ normalise: 'case' }), pad: 32 }),
    salary: encryptedNumber('salary'),
    bornAt: encryptedDate('born_at'),
    address: encryptedJson<{ city: string }>('address'),
  },
  (t) => [tenantKey(t.id)],
);
const cards = tenantTable('cards', { id: integer('id').notNull(), email: encryptedText('email') }, (t) => [tenantKey(t.id)]);
const vaults = tenantTable('vaults', { id: integer('id').notNull(), secret: encryptedText('secret', { boundTo: 'id' }) }, (t) => [
  tenantKey(t.id),
]);
const schema = { people, cards, vaults };

let platform: TestPlatform<typeof schema>;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'encrypted-'));
  await writeFile(
    join(folder, '0001_tables.sql'),
    `-- Up Migration
create table people (tenant_id text not null, id int not null, email bytea, email_index bytea, salary bytea, born_at bytea, address bytea, primary key (tenant_id, id));
create table cards (tenant_id text not null, id int not null, email bytea, primary key (tenant_id, id));
create table vaults (tenant_id text not null, id int not null, secret bytea, primary key (tenant_id, id));
`,
  );
  const tenants = ['acme', 'globex', 'empty'].map((id) => ({ id, tier: 'standard' }));
  platform = await createTestPlatform({ adminUrl: adminUrl(), schema, migrations: { directory: folder }, tenants });
  for (const tenant of ['acme', 'globex']) {
    await platform.tenancy.run(tenant, async () => {
      await platform.tenancy.db.insert(people).values({ id: 1, salary: 7 });
      await platform.tenancy.db.insert(cards).values({ id: 1 });
      await platform.tenancy.db.insert(vaults).values([{ id: 1, secret: 'one' }, { id: 2 }]);
    });
  }
}, 120_000);
afterAll(async () => {
  await platform?.close();
  await rm(folder, { recursive: true, force: true });
});

test('nothing opens outside its place, everything is audited, and the rows stay as they were', async () => {
  const { columns, unbound, checked } = await assertEncrypted(platform, ['acme', 'globex']);
  const notBound = ['people.email', 'people.salary', 'people.born_at', 'people.address', 'cards.email'];
  expect(columns).toEqual([...notBound, 'vaults.secret']);
  expect(unbound).toEqual(notBound);
  // Another tenant's, one whose key is gone, five other columns', eleven changes; of each column. Another row's, of the one that is bound.
  expect(checked).toBe(6 * (1 + 1 + 5 + 11) + 1);
  const rows = await platform.tenancy.run('acme', async () => await platform.tenancy.db.select().from(people));
  expect(rows).toEqual([{ tenantId: 'acme', id: 1, email: null, salary: 7, bornAt: null, address: null }]);
  const bound = await platform.tenancy.run('acme', async () => await platform.tenancy.db.select().from(vaults).orderBy(vaults.id));
  expect(bound.map(({ secret }) => secret)).toEqual(['one', null]);
  await expect(assertEncrypted(platform.tenancy, ['globex', 'acme'])).resolves.toMatchObject({ checked });
}, 120_000);

test('control: a column that opens whatever lies in it is named for every attempt', async () => {
  const { mapFromDriverValue } = EncryptedColumn.prototype;
  EncryptedColumn.prototype.mapFromDriverValue = (() => 'anything') as never;
  try {
    const error = await assertEncrypted(platform, ['acme', 'globex']).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(IsolationError);
    expect((error as Error).message).toMatch(/encrypted-swap cards\.email: There, the ciphertext of tenant globex opened/);
    expect((error as Error).message).toMatch(/the ciphertext of people\.email opened/);
    expect((error as Error).message).toMatch(/one whose key is gone opened/);
    expect((error as Error).message).toMatch(/encrypted-control/);
    expect((error as IsolationError).findings.filter(({ id }) => id === 'encrypted-swap')).toHaveLength(6 * 18 + 1);
    expect((error as Error).message).toMatch(/encrypted-swap vaults\.secret: There, the ciphertext of another row opened/);
  } finally {
    EncryptedColumn.prototype.mapFromDriverValue = mapFromDriverValue;
  }
});

test('control: a column that binds to no row, though it is declared to, is named', async () => {
  const { place } = EncryptedColumn.prototype;
  EncryptedColumn.prototype.place = function (this: EncryptedColumn) {
    return place.call(this);
  };
  try {
    const error = await assertEncrypted(platform, ['acme', 'globex']).catch((caught: unknown) => caught);
    expect((error as IsolationError).findings).toMatchObject([{ id: 'encrypted-swap', location: 'vaults.secret' }]);
  } finally {
    EncryptedColumn.prototype.place = place;
  }
});

test('what was not tried is no proof', async () => {
  await platform.tenancy.run('acme', () => platform.tenancy.db.delete(vaults).where(eq(vaults.id, 2)));
  await expect(assertEncrypted(platform, ['acme', 'globex'])).rejects.toThrow(
    /encrypted-untried vaults\.secret: Tenant acme has no second row/,
  );
  await platform.tenancy.run('acme', () => platform.tenancy.db.insert(vaults).values({ id: 2 }));
  await expect(assertEncrypted(platform, ['acme', 'empty'])).rejects.toThrow(/encrypted-untried people\.email: Tenant empty has no row/);
  await expect(assertEncrypted(platform, ['acme', 'acme'])).rejects.toThrow(/one tenant/);
  const bare = await platform.open({ schema: {} as never });
  await expect(assertEncrypted(bare, ['acme', 'globex'])).rejects.toThrow(/no encrypted column/);
  await bare.close();
});
