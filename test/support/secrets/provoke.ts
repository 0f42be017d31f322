import { asc, eq, like, sql } from 'drizzle-orm';
import postgres from 'postgres';
import { urlFor, withClient } from '../../../src/provision/admin-client.ts';
import type { Tenancy } from '../../../src/tenancy.ts';
import type { TestPlatform } from '../../../src/testing/test-platform.ts';
import { eventually } from '../processes.ts';
import { people } from './canary-schema.ts';
import { type CanaryValues, rowOf } from './canary-values.ts';

export type CanaryPlatform = TestPlatform<{ people: typeof people }>;
type Service = Tenancy<{ people: typeof people }>;

/** Everything that goes wrong with such values, by name; each must be an error. */
export async function provoke(platform: CanaryPlatform, service: Service, values: CanaryValues): Promise<ReadonlyMap<string, unknown>> {
  const { db } = service;
  const { text } = values;
  const wrong = text as never;
  const errors = new Map<string, unknown>();
  const fails = async (what: string, code: string, work: () => unknown, tenant = 'acme'): Promise<void> => {
    const error = await failureOf(async () => await service.run(tenant, async () => await work()));
    if (codeOf(error) !== code) throw new Error(`${what} was to fail with ${code}, not ${codeOf(error)}.`);
    errors.set(what, error);
  };
  const row = (id: number) => rowOf(id, values);
  const update = () =>
    db
      .update(people)
      .set({ name: text })
      .where(eq(people.email, `${text}@1.EXAMPLE.ORG`));

  await fails('primary key', '23505', () => db.insert(people).values(row(1)));
  await fails('unique index', '23505', () => db.insert(people).values({ ...row(9), email: `${text}@1.EXAMPLE.ORG` }));
  await fails('check, whose detail is the row', '23514', () => db.insert(people).values(row(5000)));
  await fails('wrong type: number', 'ENCRYPTED_COLUMN', () => db.insert(people).values({ ...row(10), salary: wrong }));
  await fails('wrong type: date', 'ENCRYPTED_COLUMN', () => db.insert(people).values({ ...row(10), bornAt: wrong }));
  await fails('wrong type: bytes', 'ENCRYPTED_COLUMN', () => db.insert(people).values({ ...row(10), scan: wrong }));
  await fails('wrong type: text', 'ENCRYPTED_COLUMN', () => db.insert(people).values({ ...row(10), name: { text } as never }));
  await fails('wrong type: JSON', 'ENCRYPTED_COLUMN', () => db.insert(people).values({ ...row(10), notes: { [text]: 1n } }));
  await fails('wrong type: an error that holds it', 'ENCRYPTED_COLUMN', () =>
    db.insert(people).values({
      ...row(10),
      notes: {
        toJSON: () => {
          throw new Error(text);
        },
      },
    }),
  );
  await fails('compared without index', 'ENCRYPTED_COLUMN', () => db.select().from(people).where(eq(people.name, text)));
  await fails('like', 'ENCRYPTED_COLUMN', () => db.select().from(people).where(like(people.email, text)));
  await fails('an expression', 'ENCRYPTED_COLUMN', () => db.select().from(people).where(sql`${people.email} || ${people.name} = ${text}`));
  await fails('order by', 'ENCRYPTED_COLUMN', () => db.select().from(people).where(eq(people.email, text)).orderBy(asc(people.salary)));
  await fails('limit on a truncated index', 'ENCRYPTED_COLUMN', () => db.select().from(people).where(eq(people.iban, text)).limit(1));
  await fails('inlined', 'ENCRYPTED_COLUMN', () =>
    db
      .insert(people)
      .values(row(11))
      .onConflictDoUpdate({ target: people.email, set: { plain: sql`${people.name}`.inlineParams() } }),
  );
  await fails('another tenant’s row', 'CROSS_TENANT_ACCESS', () => db.insert(people).values({ ...row(12), tenantId: 'globex' }));
  const outside = await service.run('acme', () => ({ query: update() }));
  await fails('another scope', 'WRONG_TENANT', () => outside.query, 'globex');
  errors.set('no scope', await failureOf(async () => await outside.query));

  const { database, schema } = (await platform.control.tenant('acme')).placement!;
  const url = urlFor(platform.adminUrl, { database });
  await withClient(url, async (admin) => {
    await admin.unsafe(`set search_path = ${schema}`);
    const [kept] = await admin`select name from people where id = 2`;
    await admin`update people set name = scan where id = 2`;
    await fails('moved to another column', 'DECRYPTION', () => db.select({ name: people.name }).from(people));
    await admin`update people set name = ${Buffer.from('none')} where id = 2`;
    await fails('no ciphertext', 'DECRYPTION', () => db.select({ name: people.name }).from(people));
    await admin`update people set name = ${kept!['name'] as Buffer} where id = 2`;
  });
  await held(url, schema, async (waiting, admin) => {
    await Promise.all([
      fails('cancelled in PostgreSQL', '57014', update),
      waiting().then((pid) => admin`select pg_cancel_backend(${pid})`),
    ]);
    await Promise.all([fails('backend killed', 'LANE_LOST', update), waiting().then((pid) => admin`select pg_terminate_backend(${pid})`)]);
    const abort = new AbortController();
    const aborted = failureOf(async () => await service.run('acme', async () => await update(), { signal: abort.signal }));
    await waiting();
    abort.abort();
    errors.set('aborted', await aborted);
    await admin.unsafe(`alter database ${database} set statement_timeout = '300ms'`);
    const hasty = await platform.open();
    try {
      errors.set(
        'statement timeout',
        await failureOf(async () => await hasty.run('acme', async () => await hasty.db.update(people).set({ name: text }))),
      );
    } finally {
      await admin.unsafe(`alter database ${database} reset statement_timeout`);
      await hasty.close();
    }
  });
  const closed = await platform.open();
  const late = await closed.run('acme', () => ({ query: closed.db.insert(people).values(row(13)) }));
  await closed.close();
  errors.set('closed', await failureOf(async () => await closed.run('acme', async () => await late.query)));
  for (const [what, code] of Object.entries({
    'no scope': 'NO_TENANT',
    aborted: 'ABORTED',
    'statement timeout': '57014',
    closed: 'CLOSED',
  }))
    if (codeOf(errors.get(what)) !== code) throw new Error(`${what} was to fail with ${code}, not ${codeOf(errors.get(what))}.`);
  return errors;
}

async function failureOf(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** PostgreSQL's code where it refused, else the library's. */
function codeOf(error: unknown): string | undefined {
  const { sqlState, code } = (error ?? {}) as { sqlState?: string; code?: string };
  return sqlState ?? code;
}

/** While another session holds a row, so that statements on it wait; `waiting` answers with the backend of one that does. */
async function held(
  url: string,
  schema: string,
  work: (waiting: () => Promise<number>, admin: postgres.Sql) => Promise<void>,
): Promise<void> {
  const admin = postgres(url, { max: 2, onnotice: () => {} });
  const waiting = async (): Promise<number> => {
    let pid = 0;
    await eventually(async () => {
      const [backend] = await admin<{ pid: number }[]>`
        select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
      pid = backend!.pid;
    });
    return pid;
  };
  try {
    await admin.begin(async (tx) => {
      await tx.unsafe(`select 1 from ${schema}.people where id = 1 for update`);
      await work(waiting, admin);
    });
  } finally {
    await admin.end({ timeout: 5 });
  }
}
