import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { blindTag } from '../../../src/crypto/blind-tag.ts';
import { decryptValue } from '../../../src/crypto/column-codec.ts';
import { newDataKey } from '../../../src/crypto/data-key.ts';
import { LocalTenantKeys } from '../../../src/crypto/local-tenant-keys.ts';
import { ColumnBackfiller } from '../../../src/lifecycle/column-backfiller.ts';
import { columnSites } from '../../../src/lifecycle/column-site.ts';
import { filledRow } from '../../../src/lifecycle/filled-row.ts';
import { type LocatedSite, locateSites } from '../../../src/lifecycle/located-site.ts';
import { Pace } from '../../../src/lifecycle/pace.ts';
import { type FilledRow, fillRows, readWanting } from '../../../src/lifecycle/site-rows.ts';
import type { RowsSession } from '../../../src/lifecycle/tenant-rows.ts';
import { inTransaction } from '../../../src/sql/transaction.ts';
import { type Adoption, createAdoption, insertPlaintext, pastLibrary, schema } from '../../support/adoption/platform.ts';

const rows = 8;
const keys = new LocalTenantKeys({
  tenantId: 'acme',
  currentVersion: 1,
  dataKeys: new Map([[1, newDataKey()]]),
  indexSecret: newDataKey(),
});
let platform: Adoption;
/** The one that fills rows, and the one that writes beside it. */
let ours: postgres.Sql;
let theirs: postgres.Sql;
let sites: ReadonlyMap<string, LocatedSite>;

beforeAll(async () => {
  platform = await createAdoption([{ id: 'acme', tier: 'standard' }]);
  const { placement } = await platform.control.tenant('acme');
  const url = new URL(platform.adminUrl);
  url.pathname = `/${placement!.database}`;
  [ours, theirs] = [1, 2].map(() => postgres(url.href, { max: 1, onnotice: () => {}, fetch_types: false })) as [postgres.Sql, postgres.Sql];
  for (const sql of [ours, theirs]) await sql`set search_path to acme`;
  sites = new Map((await locateSites(ours, 'acme', columnSites({ schema }))).map((site) => [site.column.name, site]));
}, 60_000);
afterAll(async () => {
  await Promise.all([ours?.end(), theirs?.end()]);
  await platform?.close();
});
beforeEach(async () => {
  await pastLibrary(platform, 'acme', async (sql, at) => await sql.unsafe(`truncate ${at} cascade`));
  await insertPlaintext(platform, 'acme', rows);
});

const site = (column: string): LocatedSite => sites.get(column)!;
const fill = async (column: string, given: readonly FilledRow[]) =>
  await inTransaction(ours, async (sql) => await fillRows(sql, site(column), 'acme', given));
const session = { transaction: async (work: Parameters<RowsSession['transaction']>[0]) => await inTransaction(ours, work) } as RowsSession;

/** What a backfill is about to write, made of the rows as they are now. */
async function prepared(column: string): Promise<readonly FilledRow[]> {
  const found = await inTransaction(ours, async (sql) => await readWanting(sql, site(column), 'acme', undefined, 100));
  return found.map((row) => filledRow(keys, site(column), row) as FilledRow);
}

async function noteOf(name: string): Promise<string | null> {
  const [row] = await theirs<
    { note: string | null; stored: Buffer | null }[]
  >`select note, note_encrypted as stored from customers where name = ${name}`;
  return row === undefined
    ? null
    : (row.note ?? decryptValue(keys, { table: 'customers', column: 'note_encrypted' }, row.stored!).toString());
}

test('a row that is written between our read and our write keeps what was written', async () => {
  const given = await prepared('note_encrypted');
  const [newer] = given.map(({ ciphertext }) => ciphertext!);
  await theirs`update customers set note = 'newer' where name = 'c-1'`;
  await theirs`update customers set note = null, note_encrypted = ${newer!} where name = 'c-2'`;
  await theirs`delete from customers where name = 'c-3'`;
  await theirs`update customers set changes = 1 where name = 'c-4'`;
  expect(await fill('note_encrypted', given)).toEqual({ encrypted: rows - 4, tagged: 0 });
  const found =
    await theirs`select name, note, note_encrypted as stored from customers where name in ('c-1', 'c-2', 'c-3', 'c-4') order by 1`;
  expect(found).toEqual([
    { name: 'c-1', note: 'newer', stored: null },
    { name: 'c-2', note: null, stored: newer },
    { name: 'c-4', note: 'acme note 4 é', stored: null },
  ]);
  expect(await noteOf('c-0')).toBe('acme note 0 é');
});

test('control: without the guard the write is lost', async () => {
  const given = await prepared('note_encrypted');
  await theirs`update customers set note = 'newer' where name = 'c-1'`;
  for (const { key, ciphertext } of given)
    await ours`update customers set note_encrypted = ${ciphertext!}, note = null where tenant_id = 'acme' and id = ${key[0]!}`;
  expect(await noteOf('c-1')).toBe('acme note 1 é');
});

test('a row that somebody holds is not waited for, and neither is one that a foreign key is checked against', async () => {
  const [notes, emails] = [await prepared('note_encrypted'), await prepared('email_encrypted')];
  await inTransaction(theirs, async (sql) => {
    await sql`update customers set note = 'newer' where name = 'c-1'`;
    await sql`insert into visits (tenant_id, customer_id) select 'acme', id from customers where name = 'c-2'`;
    // The control: PostgreSQL would wait for the end of that transaction, since the tag is part of a key.
    await ours`set lock_timeout to 200`;
    await expect(ours`update customers set email_encrypted_index = '\\x01' where name = 'c-2'`).rejects.toMatchObject({ code: '55P03' });
    await ours`reset lock_timeout`;
    expect(await fill('email_encrypted', emails)).toEqual({ encrypted: rows - 2, tagged: 0 });
    expect(await fill('note_encrypted', notes)).toEqual({ encrypted: 1, tagged: 0 });
  });
  expect(await noteOf('c-1')).toBe('newer');
});

test('whoever is writing an equal value goes on: it is the backfill that gives way, and comes back', async () => {
  const { definition } = site('email_encrypted').column.index!;
  const tag = blindTag(keys, definition, Buffer.from('acme5@example.com'));
  const filling = inTransaction(theirs, async (sql) => {
    await sql`insert into customers (tenant_id, name, note, email_encrypted, email_encrypted_index) values ('acme', 'same', 'n', '\\xe1', ${tag})`;
    const filled = new ColumnBackfiller({
      rows: session,
      keys,
      site: site('email_encrypted'),
      pace: new Pace({}, 'acme'),
      onFilled: () => {},
    }).run();
    filled.catch(() => {});
    // Rows that the backfill has or waits for: without its giving way this would be a deadlock, and one of the two its victim.
    for (let n = 0; n < rows; n++) {
      await sql`update customers set changes = changes + 1 where name = ${`c-${n}`}`;
      await sleep(150);
    }
    await sql`delete from customers where name = 'same'`;
    return { filled };
  });
  const { filled } = await filling;
  expect(await filled).toMatchObject({ encrypted: rows, conflicting: 0, remaining: 0 });
  const found =
    await theirs`select name from customers where changes = 1 and email is null and email_encrypted is not null and email_encrypted_index is not null`;
  expect(found).toHaveLength(rows);
}, 30_000);

test('a tag that a release from before left behind is replaced', async () => {
  await theirs`update customers set email_encrypted_index = '\\x00' where name = 'c-1'`;
  expect(await fill('email_encrypted', await prepared('email_encrypted'))).toEqual({ encrypted: rows, tagged: 0 });
  const [row] = await theirs`select email_encrypted_index as tag from customers where name = 'c-1'`;
  expect(row!['tag']).toEqual(blindTag(keys, site('email_encrypted').column.index!.definition, Buffer.from('acme1@example.com')));
});
