import { randomInt } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Lane } from '../../../src/connection/lane.ts';
import { openPostgresLane } from '../../../src/connection/postgres-lane.ts';
import { LaneLostError, PlanInvalidatedError, QueryFailedError } from '../../../src/errors.ts';
import {
  contextOf,
  createLaneDatabase,
  insertProduct,
  type LaneDatabase,
  rawContextOf,
  selectNames,
  statementOf,
} from '../../support/lane-database.ts';
import { type Meddler, startMeddler } from '../../support/meddler.ts';

const seed = Number(process.env['WIRE_PIECES_SEED'] ?? randomInt(2 ** 31));

describe('the own wire', () => {
  let database: LaneDatabase;
  let meddler: Meddler;
  beforeAll(async () => {
    database = await createLaneDatabase();
    await database.admin.unsafe(`
      create table app.notes (tenant_id text not null default current_setting('tenancy.context', true), body text);
      alter table app.notes enable row level security;
      alter table app.notes force row level security;
      create policy tenant on app.notes using (tenant_id = nullif(current_setting('tenancy.context', true), ''));
      grant select, insert on app.notes to ${database.login};
    `);
    const { host, port } = database.laneOptions();
    meddler = await startMeddler({ host, port });
  });
  afterEach(() => {
    meddler.down = unchanged;
    meddler.up = unchanged;
  });
  afterAll(async () => {
    await meddler[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
  });
  const open = async (options = {}): Promise<Lane> =>
    await openPostgresLane(database.laneOptions({ wire: 'own', host: '127.0.0.1', port: meddler.port, ...options }));
  const unchanged = (piece: Buffer): readonly Buffer[] => [piece];
  const run = async (lane: Lane, tenantId: string, text: string, params: readonly unknown[] = []) =>
    await lane.run({ context: contextOf(tenantId), statement: statementOf(text, params) });

  describe('statements', () => {
    const preparedOn = async (lane: Lane): Promise<number> => {
      const { rows } = await lane.run({
        context: rawContextOf('s'),
        statement: statementOf('select count(*)::int from pg_prepared_statements', [], { prepare: false }),
      });
      return (rows[0] as [number])[0];
    };

    test('whose Parse failed ahead of other users of its name fail as themselves, and work once they can', async () => {
      const lane = await open();
      const text = 'select body from app.later';
      const attempt = async () => await Promise.allSettled([1, 2, 3].map(async () => await run(lane, 's1', text)));
      for (const outcome of await attempt()) expect((outcome as PromiseRejectedResult).reason).toMatchObject({ sqlState: '42P01' });
      await database.admin.unsafe(`create table app.later (body text); grant select on app.later to ${database.login}`);
      expect((await attempt()).map((outcome) => outcome.status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
      await lane.close();
    });

    test('whose context was refused ahead of their Parse are parsed by the next', async () => {
      const lane = await open();
      const statement = statementOf('select 4711');
      const refused = { ...contextOf('s2'), sign: () => '\0' };
      const outcomes = await Promise.allSettled([
        lane.run({ context: refused, statement }),
        lane.run({ context: contextOf('s2'), statement }),
        lane.run({ context: contextOf('s2'), statement }),
      ]);
      expect((outcomes[0] as PromiseRejectedResult).reason).toBeInstanceOf(QueryFailedError);
      expect(outcomes.slice(1)).toMatchObject([{ value: { rows: [[4711]] } }, { value: { rows: [[4711]] } }]);
      await lane.close();
    });

    test('in a transaction that failed say so, however they were prepared', async () => {
      const lane = await open();
      const work = lane.transaction(contextOf('s3'), {}, async (tx) => {
        const outcomes = await Promise.allSettled([1, 2].map(async () => await tx.execute(statementOf('select absent'))));
        expect(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.sqlState)).toEqual(['42703', '25P02']);
      });
      await expect(work).rejects.toMatchObject({ code: 'TRANSACTION_ABORTED' });
      await lane.close();
    });

    test('are closed beyond their bound, the one used longest ago first, also while they are pipelined', async () => {
      const lane = await open({ maxStatements: 8 });
      for (let round = 0; round < 5; round++) {
        const answers = await Promise.all(
          Array.from({ length: 30 }, async (_, n) => (await run(lane, 's4', `select ${n}, $1::text`, ['v'])).rows),
        );
        expect(answers).toEqual(Array.from({ length: 30 }, (_, n) => [[n, 'v']]));
      }
      expect(lane.state).toBe('open');
      // What the cleaning's own unit evicts is closed with the next message.
      expect(await preparedOn(lane)).toBeLessThanOrEqual(9);
      await lane.close();
    });

    test('are not kept where they failed', async () => {
      const lane = await open();
      for (let n = 0; n < 40; n++) await expect(run(lane, 's5', `select absent${n}`)).rejects.toMatchObject({ sqlState: '42703' });
      expect(await preparedOn(lane)).toBeLessThanOrEqual(2);
      await lane.close();
    });

    test('invalidated by a migration are run again whole among another tenant’s units', async () => {
      const lane = await open();
      const texts = ['select * from app.notes', 'insert into app.notes (body) values ($1) returning *'] as const;
      await run(lane, 'm1', texts[1], ['first']);
      await run(lane, 'm2', texts[1], ['of m2']);
      await run(lane, 'm1', texts[0]);
      for (let time = 1; time <= 6; time++) {
        if (time % 2 === 0) await database.admin.unsafe(`alter table app.notes add column c${time} int`);
        else
          await database.admin.unsafe(`
            create table app.other (like app.notes including all); insert into app.other select * from app.notes; drop table app.notes;
            alter table app.other rename to notes; alter table app.notes add column d${time} int;
            alter table app.notes enable row level security; alter table app.notes force row level security;
            create policy tenant on app.notes using (tenant_id = nullif(current_setting('tenancy.context', true), ''));
            grant select, insert on app.notes to ${database.login}`);
        const mine = await Promise.all([run(lane, 'm1', texts[0]), run(lane, 'm1', texts[1], ['again']), run(lane, 'm1', texts[0])]);
        const theirs = await Promise.all([run(lane, 'm2', texts[0]), run(lane, 'm2', texts[0])]);
        expect(JSON.stringify(mine)).not.toContain('of m2');
        expect(theirs.map((answer) => answer.rowCount)).toEqual([1, 1]);
      }
      expect(await database.admin`select 1 from app.notes where tenant_id = 'm1'`).toHaveLength(7);
      await lane.close();
    });

    test('whose parameters changed their types are parsed again', async () => {
      const lane = await open();
      await database.admin.unsafe(`create table app.typed (v int); grant select, insert on app.typed to ${database.login}`);
      const insert = async (value: string) => await run(lane, 's6', 'insert into app.typed (v) values ($1)', [value]);
      await insert('1');
      await database.admin.unsafe('alter table app.typed alter column v type text');
      // As a number still: no server can tell that from a value that is wrong.
      await expect(insert('two')).rejects.toMatchObject({ sqlState: '22P02' });
      await insert('two');
      await run(lane, 's6', 'select 1 from app.typed where v = $1', ['two']);
      await database.admin.unsafe('truncate app.typed; alter table app.typed alter column v type date using null');
      expect((await run(lane, 's6', 'select 1 from app.typed where v = $1', ['2024-01-02'])).rowCount).toBe(0);
      await database.admin.unsafe('drop table app.typed');
      await expect(insert('x')).rejects.toMatchObject({ sqlState: '42P01' });
      await expect(insert('x')).rejects.not.toThrow(PlanInvalidatedError);
      await lane.close();
    });
  });

  describe('what comes in pieces', () => {
    /** Cuts at random, often after each byte, and joins what came before. */
    function pieces(start: number): (piece: Buffer) => readonly Buffer[] {
      let state = start >>> 0;
      const random = (bound: number): number => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return Math.floor((state / 2 ** 32) * bound);
      };
      return (piece) => {
        const parts: Buffer[] = [];
        const longest = [1, 3, 30, 5_000][random(4)]!;
        // A byte at a time for the first thousand, so that a large answer ends as well.
        for (let at = 0; at < piece.length; ) {
          const length = at > 1_000 ? 5_000 : 1 + random(longest);
          parts.push(piece.subarray(at, at + length));
          at += length;
        }
        return parts;
      };
    }

    test(`is read as if it came whole (WIRE_PIECES_SEED=${seed})`, async () => {
      meddler.down = pieces(seed);
      meddler.up = pieces(seed + 1);
      const lane = await open();
      for (let round = 0; round < 12; round++) {
        const answers = await Promise.allSettled([
          run(lane, 'p1', "select n, repeat('é', n), null, n % 2 = 0 from generate_series(1, 60) n"),
          run(lane, 'p1', 'select 1 / $1::int', [0]),
          run(lane, 'p1', "select repeat('x', 300000)"),
          lane.run({
            context: rawContextOf('p1'),
            statement: statementOf("do $$ begin raise notice 'between'; perform set_config('application_name', 'x', true); end $$", [], {
              prepare: false,
            }),
          }),
          run(lane, 'p1', 'select $1::text', ['ü'.repeat(20_000)]),
        ]);
        expect(answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.rowCount : answer.reason.sqlState))).toEqual([
          60,
          '22012',
          1,
          0,
          1,
        ]);
        const values = answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.rows : []));
        expect(values[0]).toEqual(Array.from({ length: 60 }, (_, n) => [n + 1, 'é'.repeat(n + 1), null, n % 2 === 1]));
        expect(values[2]).toEqual([['x'.repeat(300_000)]]);
        expect(values[4]).toEqual([['ü'.repeat(20_000)]]);
      }
      meddler.down = unchanged;
      meddler.up = unchanged;
      await lane.close();
    });
  });

  describe('a server that says what no server says', () => {
    const message = (type: string, body: Buffer = Buffer.alloc(0)): Buffer => {
      const head = Buffer.alloc(5);
      head.write(type, 'latin1');
      head.writeUInt32BE(body.length + 4, 1);
      return Buffer.concat([head, body]);
    };
    const selected = Buffer.from('SELECT 1\0');
    const columns = (count: number): Buffer => {
      const body = Buffer.alloc(2);
      body.writeUInt16BE(count);
      return body;
    };

    test.each<[string, Buffer]>([
      ['text of another protocol', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
      ['a length below four', Buffer.from([0x44, 0, 0, 0, 3])],
      ['a length of two gigabytes', Buffer.from([0x44, 0x7f, 0xff, 0xff, 0xff])],
      ['a ReadyForQuery of a gigabyte', Buffer.from([0x5a, 0x3f, 0xff, 0xff, 0xff])],
      ['zeros', Buffer.alloc(4_000)],
      ['rows before they were described', Buffer.concat([message('C', selected), message('D', columns(0))])],
      ['rows of other columns', Buffer.concat([message('C', selected), message('2'), message('D', columns(7))])],
      ['COPY IN', message('G', Buffer.from([0, 0, 0]))],
      ['COPY OUT', message('H', Buffer.from([0, 0, 0]))],
      ['COPY BOTH', message('W', Buffer.from([0, 0, 0]))],
      ['a login request', message('R', Buffer.from([0, 0, 0, 3]))],
      ['an error without a SQLSTATE', message('E', Buffer.from('SERROR\0\0'))],
      ['a suspended portal', message('s')],
      ['columns that are cut off', message('T', Buffer.from([0, 9, 65, 0, 1]))],
      ['ready before it has answered', message('Z', Buffer.from('I'))],
      [
        'an open transaction',
        Buffer.concat([message('2'), message('C', selected), message('2'), message('C', selected), message('Z', Buffer.from('T'))]),
      ],
    ])('loses the lane at once: %s', async (_, bytes) => {
      const lane = await open();
      await run(lane, 'g', 'select 1');
      await run(lane, 'g', 'select 2');
      meddler.down = () => [bytes];
      const started = performance.now();
      const outcomes = await Promise.allSettled([run(lane, 'g', 'select 2'), run(lane, 'g', 'select 3')]);
      for (const outcome of outcomes) expect((outcome as PromiseRejectedResult).reason).toBeInstanceOf(LaneLostError);
      expect(performance.now() - started).toBeLessThan(20_000);
      meddler.down = unchanged;
      expect(lane.state).toBe('lost');
      await lane.ended;
    });

    test('when nobody asked for anything loses the lane as well', async () => {
      const lane = await open();
      let told = false;
      meddler.down = (piece) => {
        told = true;
        return [piece, message('Z', Buffer.from('I'))];
      };
      await run(lane, 'g', 'select 1').catch(() => {});
      await lane.ended;
      expect(told).toBe(true);
      meddler.down = unchanged;
    });

    test('that announces a large message takes no memory before it sends one', async () => {
      const lane = await open();
      await run(lane, 'g', 'select 1');
      const before = process.memoryUsage().arrayBuffers;
      meddler.down = () => [Buffer.from([0x44, 0x3f, 0xff, 0xff, 0xff, 0, 1])];
      const unit = run(lane, 'g', 'select 2').catch((error: unknown) => error);
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024);
      meddler.down = unchanged;
      await database.admin`select pg_terminate_backend(${lane.backendPid})`;
      expect(await unit).toBeInstanceOf(LaneLostError);
    });
  });

  test('writes no faster than the server reads, and gives up nothing', async () => {
    const lane = await open();
    const value = 'v'.repeat(2_000_000);
    const units = Array.from({ length: 30 }, async (_, n) => (await run(lane, 'b', `select length($1::text), ${n}`, [value])).rows);
    expect(await Promise.all(units)).toEqual(Array.from({ length: 30 }, (_, n) => [[2_000_000, n]]));
    await run(lane, 'b', insertProduct('b', 'x').text, ['b', 'x']);
    expect((await lane.run({ context: contextOf('b'), statement: selectNames })).rows).toEqual([['x']]);
    await lane.close();
  });
});
