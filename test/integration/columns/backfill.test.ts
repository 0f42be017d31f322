import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { blindIndex } from '../../../src/database/blind-index.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { AbortedError, CatalogError, ConfigurationError, UnknownTenantError } from '../../../src/errors.ts';
import {
  type Adoption,
  createAdoption,
  expected,
  insertPlaintext,
  pastLibrary,
  readByName,
  schema,
} from '../../support/adoption/platform.ts';
import { customers, customersWriting } from '../../support/adoption/schema.ts';
import { products } from '../../support/shop/schema.ts';

const rows = 60;
const adopted = ['note', 'email', 'credit', 'born_at', 'address', 'photo'];
/** A table that the migrations lack. */
const elsewhere = tenantTable('elsewhere', { secret: encryptedText('secret', { index: blindIndex() }) });
const early = { customers: customersWriting('plaintext') };
let platform: Adoption;
let other: Adoption['tenancy'];

beforeAll(async () => {
  platform = await createAdoption([
    { id: 'acme', tier: 'standard' },
    { id: 'initech', tier: 'enterprise' },
    { id: 'pool-a', tier: 'pool' },
    { id: 'pool-b', tier: 'pool' },
    { id: 'odd', tier: 'standard' },
    { id: 'slow', tier: 'standard' },
    { id: 'shred', tier: 'standard' },
  ]);
  other = await platform.open();
  for (const tenant of ['acme', 'initech', 'pool-a', 'pool-b', 'slow', 'shred']) await insertPlaintext(platform, tenant, rows);
}, 60_000);
afterAll(async () => await platform?.close());

/** How many values stand in plaintext columns, read past the library. */
async function inPlaintext(tenant: string): Promise<number> {
  return await pastLibrary(platform, tenant, async (sql, at) => {
    const [row] = await sql.unsafe(`select sum(num_nonnulls(${adopted.join(', ')}))::int as n from ${at} where tenant_id = $1`, [tenant]);
    return Number(row!['n']);
  });
}

const backfill = async (tenant: string, options: object = {}) =>
  await platform.control.columns.backfill({ schema, tenants: [tenant], ...options });
const columnsOf = async (tenant: string) => (await platform.control.columns.status({ schema, tenants: [tenant] }))[0]!.columns;

test.each(['acme', 'initech', 'pool-a'])(
  'the plaintext of %s is encrypted while others read and write: every row readable, no write lost',
  async (tenant) => {
    expect(await inPlaintext(tenant)).toBe(rows * adopted.length);
    expect((await columnsOf(tenant)).find(({ column }) => column === 'customers.note_encrypted')).toEqual({
      column: 'customers.note_encrypted',
      adopts: { column: 'note', write: 'encrypted' },
      plaintext: rows,
      encrypted: 0,
      untagged: 0,
      contracted: false,
    });
    let running = true;
    const counts = { reads: 0, writes: 0 };
    const written = new Map<string, string>();
    const load = [platform.tenancy, other].flatMap((tenancy, service) => [
      (async () => {
        while (running) {
          const found = await readByName(tenancy, tenant);
          if (found.size !== rows) throw new Error(`${found.size} rows were read`);
          for (const [name, row] of found) {
            const whole = expected(tenant, Number(name.slice(2)));
            if (!row.note.startsWith(whole.note) || !isDeepStrictEqual({ ...row, note: whole.note }, whole))
              throw new Error(`${name} is not what it was`);
          }
          counts.reads += 1;
          await sleep(20);
        }
      })(),
      (async () => {
        for (let turn = 0; running; turn++) {
          // Each service writes rows of its own, so that the last write of each is known.
          const n = service + 2 * (turn % 20);
          const note = `${tenant} note ${n} é by ${service} turn ${turn}`;
          await tenancy.run(tenant, () =>
            tenancy.db
              .update(customers)
              .set({ note, changes: turn })
              .where(eq(customers.name, `c-${n}`)),
          );
          written.set(`c-${n}`, note);
          counts.writes += 1;
          await sleep(5);
        }
      })(),
    ]);
    const heard: number[] = [];
    try {
      const report = await backfill(tenant, { actor: 'ada', batchSize: 7, onProgress: ({ done }: { done: number }) => heard.push(done) });
      expect(report).toMatchObject({ done: true, failed: 0 });
      const { columns } = report.tenants[0]!;
      expect(columns.map(({ column }) => column)).toEqual([...adopted.map((name) => `customers.${name}_encrypted`), 'customers.iban']);
      for (const one of columns)
        expect(one).toMatchObject({ tagged: 0, remaining: 0, unconvertible: 0, conflicting: 0, unreadable: 0, left: [] });
      // The services encrypted some of the notes themselves; nobody else wrote the others.
      expect(columns.slice(1, -1).map(({ encrypted }) => encrypted)).toEqual([rows, rows, rows, rows, rows]);
      expect(heard.at(-1)).toBe(columns.reduce((sum, { encrypted }) => sum + encrypted, 0));
      expect(Math.min(counts.reads, counts.writes)).toBeGreaterThan(5);
    } finally {
      running = false;
      await Promise.all(load);
    }
    expect(await inPlaintext(tenant)).toBe(0);
    const now = await readByName(other, tenant);
    for (const [name, row] of now) {
      const whole = expected(tenant, Number(name.slice(2)));
      expect(row).toEqual({ ...whole, note: written.get(name) ?? whole.note });
    }
    const found = await other.run(tenant, () =>
      other.db
        .select()
        .from(customers)
        .where(eq(customers.email, `${tenant}3@example.com`)),
    );
    expect(found.map(({ name }) => name)).toEqual(['c-3']);
    expect(await platform.control.auditEntries({ action: 'key', tenantId: tenant })).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          outcome: 'completed',
          reason: 'backfill columns',
          actor: 'ada',
          detail: expect.objectContaining({ left: 0 }),
        }),
      ]),
    );
    expect((await backfill(tenant)).tenants[0]!.columns.every(({ encrypted }) => encrypted === 0)).toBe(true);
  },
  60_000,
);

test('a tenant of the same pool is left alone, and holds up the contract of both', async () => {
  expect(await inPlaintext('pool-b')).toBe(rows * adopted.length);
  const refused = await platform.control.columns.contract({ schema, tenants: ['pool-a'] });
  expect(refused).toMatchObject({ failed: 1, tenants: [{ tenantId: 'pool-a', columns: [], error: { code: 'CATALOG' } }] });
  await backfill('pool-b');
  const { tenants, failed } = await platform.control.columns.contract({ schema, tenants: ['pool-a', 'pool-b'] });
  expect(failed).toBe(0);
  expect(tenants.map(({ columns }) => columns.map(({ changed }) => changed))).toEqual([adopted.map(() => true), adopted.map(() => false)]);
});

test('once contracted PostgreSQL refuses every plaintext, and a late service with it, loudly; nobody else', async () => {
  const write = async (table: typeof customers) =>
    await platform.tenancy.run('acme', () => platform.tenancy.db.update(table).set({ note: 'late' }).where(eq(table.name, 'c-1')));
  // The control: until then both may be written, so that releases can follow one another.
  await write(early.customers);
  expect(await inPlaintext('acme')).toBe(1);
  expect(await platform.control.columns.contract({ schema, tenants: ['acme'] })).toMatchObject({ failed: 1 });
  await backfill('acme');
  const report = await platform.control.columns.contract({ schema, tenants: ['acme'], actor: 'ada' });
  expect(report.tenants[0]!.columns.map(({ from, constraint, changed }) => [from, constraint, changed])).toEqual(
    adopted.map((from) => [from, `customers_${from}_adopted`, true]),
  );
  expect((await columnsOf('acme')).map(({ contracted }) => contracted)).toEqual([...adopted.map(() => true), false]);
  await expect(write(early.customers)).rejects.toMatchObject({ sqlState: '23514' });
  await write(customers);
  expect(await platform.control.columns.contract({ schema, tenants: ['acme'] })).toMatchObject({
    failed: 0,
    tenants: [{ columns: adopted.map(() => ({ changed: false })) }],
  });
});

test('a contract that was cut off is gone on with, and one that meets plaintext leaves nothing behind', async () => {
  const add = async () =>
    await pastLibrary(platform, 'slow', async (sql, at) => {
      await sql.unsafe(`alter table ${at} add constraint customers_note_adopted check (note is null) not valid`);
      return at;
    });
  const checks = async () =>
    await pastLibrary(platform, 'slow', async (sql) =>
      (
        await sql`select convalidated as valid from pg_constraint where conname = 'customers_note_adopted' and conrelid = 'slow.customers'::regclass`
      ).map(({ valid }) => valid),
    );
  const contract = async () =>
    await platform.control.columns.contract({ schema, tenants: ['slow'], columns: ['customers.note_encrypted'] });
  await add();
  expect(await contract()).toMatchObject({ failed: 1 });
  expect(await checks()).toEqual([]);
  await backfill('slow', { columns: ['customers.note_encrypted'] });
  await add();
  expect(await contract()).toMatchObject({ failed: 0, tenants: [{ columns: [{ changed: true }] }] });
  expect(await checks()).toEqual([true]);
});

test('an aborted backfill keeps what it did, and the next goes on', async () => {
  const stop = new AbortController();
  const done: number[] = [];
  await expect(
    backfill('slow', {
      batchSize: 5,
      signal: stop.signal,
      onProgress: (progress: { done: number }) => {
        done.push(progress.done);
        if (progress.done >= 15) stop.abort();
      },
    }),
  ).rejects.toBeInstanceOf(AbortedError);
  expect(done).toEqual([5, 10, 15]);
  expect(await inPlaintext('slow')).toBe(rows * (adopted.length - 1) - 15);
  expect((await readByName(other, 'slow')).get('c-7')).toEqual(expected('slow', 7));
  await platform.control.setStatus('slow', 'suspended');
  expect((await backfill('slow')).tenants[0]!.columns.map(({ encrypted }) => encrypted)).toEqual([0, rows - 15, rows, rows, rows, rows, 0]);
  await platform.control.setStatus('slow', 'active');
  expect(await inPlaintext('slow')).toBe(0);
});

test('what an encrypted column can’t hold exactly is left, counted and named by its key, and never its value', async () => {
  const values = ['9007199254740993', '0.1', '12345678901234567890.5', '1e400', 'NaN', '9007199254740992', '-0.5'];
  await pastLibrary(platform, 'odd', async (sql, at) => {
    for (const [n, credit] of values.entries())
      await sql.unsafe(
        `insert into ${at} (tenant_id, name, note, credit, born_at) values ('odd', $1, 'n', $2::text::numeric, $3::text::timestamptz)`,
        [`o-${n}`, credit, n === 0 ? 'infinity' : '2001-04-30 12:00:00.123456Z'],
      );
    // The control: PostgreSQL makes another number of it without a word.
    const [row] = await sql.unsafe<{ same: boolean }[]>(`select credit::float8::numeric = credit as same from ${at} where name = 'o-0'`);
    expect(row).toEqual({ same: false });
  });
  const report = await backfill('odd');
  expect(report).toMatchObject({ done: false, failed: 0 });
  const of = (column: string) => report.tenants[0]!.columns.find((one) => one.column === `customers.${column}`)!;
  expect(of('credit_encrypted')).toMatchObject({ encrypted: 3, unconvertible: 4, remaining: 0 });
  expect(of('born_at_encrypted')).toMatchObject({ encrypted: 6, unconvertible: 1 });
  expect(of('note_encrypted')).toMatchObject({ encrypted: 7, unconvertible: 0 });
  const ids = await pastLibrary(
    platform,
    'odd',
    async (sql, at) => await sql.unsafe(`select id::text, credit::text from ${at} where credit is not null`),
  );
  expect(
    of('credit_encrypted')
      .left.map(({ key, reason }) => [key['id'], reason])
      .sort(),
  ).toEqual(ids.map(({ id }) => [id, 'unconvertible']).sort());
  expect(ids.map(({ credit }) => String(credit).slice(0, 8)).sort()).toEqual(['12345678', '10000000', '90071992', 'NaN'].sort());
  expect(JSON.stringify(report)).not.toMatch(/9007199254740993|12345678901234567890/);
  await pastLibrary(platform, 'odd', async (sql, at) => {
    await sql.unsafe(`update ${at} set credit = null, born_at = null`);
  });
  const read = await readByName(platform.tenancy, 'odd');
  expect([1, 5, 6].map((n) => read.get(`o-${n}`)!.credit)).toEqual([0.1, 9007199254740992, -0.5]);
  expect(read.get('o-1')!.bornAt).toEqual(new Date('2001-04-30T12:00:00.123Z'));
});

test('equal values of a unique column are told of, and hold up no others', async () => {
  await pastLibrary(platform, 'odd', async (sql, at) => {
    await sql.unsafe(
      `update ${at} set email = case when name in ('o-1', 'o-2', 'o-3') then 'twice@example.com' else name || '@example.com' end where tenant_id = 'odd'`,
    );
  });
  const report = await backfill('odd', { batchSize: 3 });
  const email = report.tenants[0]!.columns[1]!;
  expect(email).toMatchObject({ column: 'customers.email_encrypted', encrypted: 5, conflicting: 2, remaining: 0 });
  expect(email.left.map(({ reason }) => reason)).toEqual(['conflicting', 'conflicting']);
  expect(JSON.stringify(report)).not.toContain('twice');
  expect((await columnsOf('odd'))[1]).toMatchObject({ plaintext: 2, encrypted: 5 });
  await pastLibrary(platform, 'odd', async (sql, at) => {
    await sql.unsafe(`update ${at} set email = 'other-' || name where email is not null`);
  });
  expect(await backfill('odd')).toMatchObject({ done: true });
});

test('an index finds rows from before it once they have tags, and no value of another row gets one', async () => {
  const { tenancy } = platform;
  const find = async (iban: string) => await tenancy.run('odd', () => tenancy.db.select().from(customers).where(eq(customers.iban, iban)));
  for (const [name, iban] of [
    ['o-1', 'DE89 3704'],
    ['o-2', 'FR76'],
  ] as const) {
    await tenancy.run('odd', async () => {
      const [row] = await tenancy.db.select({ id: customers.id }).from(customers).where(eq(customers.name, name));
      await tenancy.db.update(customers).set({ iban }).where(eq(customers.id, row!.id));
    });
  }
  await pastLibrary(platform, 'odd', async (sql, at) => {
    await sql.unsafe(`update ${at} set iban_index = null`);
    await sql.unsafe(`update ${at} set iban = (select iban from ${at} where name = 'o-1') where name = 'o-3'`);
  });
  expect(await find('de89-3704')).toEqual([]);
  const report = await backfill('odd');
  expect(report.tenants[0]!.columns.at(-1)).toMatchObject({
    column: 'customers.iban',
    encrypted: 0,
    tagged: 2,
    unreadable: 1,
    left: [{ reason: 'unreadable' }],
  });
  expect((await columnsOf('odd')).at(-1)).toMatchObject({ adopts: undefined, untagged: 1 });
  await pastLibrary(platform, 'odd', async (sql, at) => {
    await sql.unsafe(`update ${at} set iban = null where name = 'o-3'`);
  });
  expect((await find('de89-3704')).map(({ name }) => name)).toEqual(['o-1']);
  expect((await find('fr 76')).map(({ name }) => name)).toEqual(['o-2']);
});

test('what a schema does not say, or says too early, is refused before anything is done', async () => {
  const { columns } = platform.control;
  const before = await inPlaintext('shred');
  for (const options of [
    { schema: early },
    { schema: {} },
    { schema: { products: 1 } },
    { schema, columns: ['customers.name'] },
    { schema, batchSize: 0 },
    { schema, rowsPerSecond: 0 },
  ]) {
    await expect(columns.backfill({ tenants: ['shred'], ...options } as never)).rejects.toBeInstanceOf(ConfigurationError);
  }
  await expect(columns.contract({ schema: early })).rejects.toBeInstanceOf(ConfigurationError);
  await expect(columns.backfill({ schema, tenants: ['nobody'] })).rejects.toBeInstanceOf(UnknownTenantError);
  expect(await columns.backfill({ schema: early, tenants: ['shred'], columns: ['customers.iban'] })).toMatchObject({ done: true });
  const missing = await columns.status({ schema: { other: elsewhere }, tenants: ['shred'] });
  expect(missing[0]).toMatchObject({ columns: [], error: { code: 'CATALOG', message: expect.stringContaining('has no column') } });
  expect(await columns.backfill({ schema: { products }, tenants: ['shred'] })).toMatchObject({ done: true, tenants: [{ columns: [] }] });
  expect(await inPlaintext('shred')).toBe(before);
});

test('one process works on a tenant at a time: a backfill beside another, and beside a rotation', async () => {
  const beside: Promise<{ readonly failed: number; readonly tenants: readonly { readonly error: unknown }[] }>[] = [];
  const first = await backfill('shred', {
    batchSize: 10,
    onProgress: () => void (beside.length === 0 && beside.push(backfill('shred'))),
  });
  expect(first).toMatchObject({ done: true });
  const rotation = await platform.control.rotateKeys('initech', {
    batchSize: 10,
    onProgress: () => void (beside.length === 1 && beside.push(backfill('initech'))),
  });
  expect(rotation).toMatchObject({ step: 'done', unreadable: 0 });
  expect(beside).toHaveLength(2);
  for (const { tenants } of await Promise.all(beside)) {
    expect(tenants[0]!.error).toBeInstanceOf(CatalogError);
    expect(tenants[0]!.error).toMatchObject({ retryable: true });
  }
  expect(await inPlaintext('shred')).toBe(0);
  expect((await readByName(other, 'initech')).size).toBe(rows);
});

test('rows that are filled in the middle of a rotation have a version that it goes on from', async () => {
  const stop = new AbortController();
  const rotate = platform.control.rotateKeys('initech', { batchSize: 1, signal: stop.signal, onProgress: () => stop.abort() });
  await expect(rotate).rejects.toBeInstanceOf(AbortedError);
  await pastLibrary(platform, 'initech', async (sql, at) => {
    await sql.unsafe(`insert into ${at} (tenant_id, name, note) values ('initech', 'c-${rows}', 'initech note ${rows} é')`);
  });
  expect(await backfill('initech')).toMatchObject({ done: true });
  expect(await platform.control.rotateKeys('initech')).toMatchObject({ step: 'done', unreadable: 0, remaining: 0 });
  expect((await readByName(other, 'initech')).get(`c-${rows}`)!.note).toBe(expected('initech', rows).note);
});

test('a tenant whose keys were shredded gets a typed error as long as there is something to encrypt', async () => {
  await pastLibrary(platform, 'shred', async (sql, at) => {
    await sql.unsafe(`insert into ${at} (tenant_id, name, note) values ('shred', 'late', 'secret')`);
  });
  await platform.control.shredKeys('shred', { confirm: 'shred', actor: 'ada', reason: 'test', force: true });
  const report = await platform.control.columns.backfill({ schema, tenants: ['acme', 'shred'] });
  expect(report).toMatchObject({
    failed: 1,
    done: false,
    tenants: [{ error: undefined }, { tenantId: 'shred', error: { code: 'CATALOG' } }],
  });
  expect(report.tenants[1]!.error!.message).toContain('no active data key');
  await pastLibrary(platform, 'shred', async (sql, at) => {
    await sql.unsafe(`delete from ${at} where name = 'late'`);
  });
  expect(await backfill('shred')).toMatchObject({ done: true });
});

test('what PostgreSQL says of a row that can’t be changed stays behind', async () => {
  await pastLibrary(platform, 'odd', async (sql, at) => {
    await sql.unsafe(`insert into ${at} (tenant_id, name, note) values ('odd', 'guarded', 'a secret')`);
    await sql.unsafe(`alter table ${at} add constraint no_change check (name <> 'guarded' or note is not null)`);
    // The control: it quotes the row.
    await expect(sql.unsafe(`update ${at} set note_encrypted = '\\xe1', note = null where name = 'guarded'`)).rejects.toMatchObject({
      detail: expect.stringContaining('guarded'),
    });
  });
  const report = await backfill('odd');
  expect(report.tenants[0]!.error).toMatchObject({
    code: 'QUERY_FAILED',
    sqlState: '23514',
    message: expect.stringContaining('no_change'),
  });
  expect(JSON.stringify(report.tenants[0]!.error)).not.toContain('guarded');
});
