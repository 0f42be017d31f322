import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lane, LaneTransaction } from '../../src/connection/lane.ts';
import {
  AbortedError,
  LaneLostError,
  NotSupportedError,
  PolicyViolationError,
  QueryFailedError,
  TenancyError,
  TransactionAbortedError,
  TransactionOverError,
  WrongTenantError,
} from '../../src/errors.ts';
import {
  contextOf,
  createLaneDatabase,
  insertProduct,
  type LaneDatabase,
  rawContextOf,
  selectNames,
  statementOf,
} from '../support/lane-database.ts';
import { eventually } from '../support/processes.ts';

/** What a lane of the implementation under test is opened with. */
export type OpenLane = (database: LaneDatabase) => Promise<Lane>;

const failing = statementOf('select 1 / $1::int', [0]);

/** The suite that every implementation of {@link Lane} passes. */
export function describeLane(name: string, open: OpenLane): void {
  describe(`a lane: ${name}`, () => {
    let database: LaneDatabase;
    beforeAll(async () => {
      database = await createLaneDatabase();
    });
    afterAll(async () => {
      await database[Symbol.asyncDispose]();
    });

    async function withLane(use: (lane: Lane) => Promise<void>): Promise<void> {
      const lane = await open(database);
      try {
        await use(lane);
      } finally {
        await lane.close();
      }
      expect(lane.state).not.toBe('open');
    }
    const namesOf = async (lane: Lane, tenantId: string): Promise<unknown[]> =>
      (await lane.run({ context: contextOf(tenantId), statement: selectNames })).rows.map((row) => (row as unknown[])[0]);

    describe('units', () => {
      test('run as their tenant, see its rows only and are kept', async () =>
        await withLane(async (lane) => {
          const inserted = await lane.run({ context: contextOf('u1'), statement: insertProduct('u1', 'mine') });
          expect(inserted).toMatchObject({ rowCount: 1, command: 'INSERT' });
          await lane.run({ context: contextOf('u2'), statement: insertProduct('u2', 'theirs') });
          expect(await namesOf(lane, 'u1')).toEqual(['mine']);
          expect(await namesOf(lane, 'u2')).toEqual(['theirs']);
          expect(lane.lastTenantId).toBe('u2');
          expect(lane.depth).toBe(0);
        }));

      test('are signed for the lane’s backend, as a transaction-local setting', async () =>
        await withLane(async (lane) => {
          const pids: number[] = [];
          const context = {
            ...contextOf('u3'),
            sign: (pid: number) => {
              pids.push(pid);
              return 'u3';
            },
          };
          await lane.run({ context, statement: selectNames });
          expect(pids).toEqual([lane.backendPid]);
          const { rows } = await lane.run({
            context: contextOf('u3', { sign: () => '' }),
            statement: statementOf("select current_setting('tenancy.context')"),
          });
          expect(rows).toEqual([['']]);
        }));

      test('answer values as drizzle expects them', async () =>
        await withLane(async (lane) => {
          const text = `select 1::int4, 2::int8, 3.5::float8, 4.50::numeric, true, '\\x0102'::bytea, '{"a":[1]}'::jsonb, timestamptz '2024-01-02 03:04:05.678901+00',
          date '2024-01-02', '{1,2,null}'::int4[], '{a,"b c",null}'::text[], '{t,f}'::bool[], null::text, 'x'::name`;
          const { rows } = await lane.run({ context: contextOf('u4'), statement: statementOf(text) });
          expect(rows).toEqual([
            [
              1,
              '2',
              3.5,
              '4.50',
              true,
              Buffer.from([1, 2]),
              { a: [1] },
              expect.stringMatching(/^2024-01-0\d .*\.678901/),
              '2024-01-02',
              [1, 2, null],
              ['a', 'b c', null],
              [true, false],
              null,
              'x',
            ],
          ]);
        }));

      test('answer raw rows as objects with Dates', async () =>
        await withLane(async (lane) => {
          const text = `select timestamptz '2024-01-02 03:04:05Z' as at, '{"2024-01-02 03:04:05+00"}'::timestamptz[] as ats, 7::int8 as big, '{"a":1}'::json as doc, 1 as "__proto__"`;
          const { rows } = await lane.run({
            context: rawContextOf('u4'),
            statement: statementOf(text, [], { rows: 'object', prepare: false }),
          });
          const at = new Date('2024-01-02T03:04:05Z');
          const row = rows[0] as Record<string, unknown>;
          expect(row).toMatchObject({ at, ats: [at], big: '7', doc: { a: 1 } });
          expect(Object.getOwnPropertyDescriptor(row, '__proto__')?.value).toBe(1);
          expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
        }));

      test.each([true, false])(
        'take every kind of value, the first time and again (prepare: %s)',
        async (prepare) =>
          await withLane(async (lane) => {
            const text = `select $1::text as a, $2::int as b, $3::bool as c, $4::int8 as d, $5::timestamptz as e, $6::bytea as f, $7::int[] as g, $8::jsonb as h,
          $9::text[] as i, $10::text as j, $11::bool as k, $12::jsonb as l`;
            const at = new Date('2024-05-06T07:08:09.123Z');
            const texts = ['a,b', '"', '\\', null, 'NULL'];
            const bytes = Buffer.from([0, 255]);
            const params = [
              'it’s "x" \\',
              5,
              true,
              9_007_199_254_740_993n,
              at,
              bytes,
              [1, null, 3],
              { k: ['v'] },
              texts,
              null,
              'true',
              '"text"',
            ];
            for (let time = 0; time < 3; time++) {
              const { rows } = await lane.run({
                context: rawContextOf('u5'),
                statement: statementOf(text, params, { prepare, rows: 'object' }),
              });
              expect(Object.values(rows[0] as object)).toEqual([
                'it’s "x" \\',
                5,
                true,
                '9007199254740993',
                at,
                bytes,
                [1, null, 3],
                { k: ['v'] },
                texts,
                null,
                true,
                'text',
              ]);
            }
          }),
      );

      test('refuse values that cannot travel before anything is sent, without naming them', async () =>
        await withLane(async (lane) => {
          for (const value of [undefined, () => 'secret', Symbol('secret'), new Date(Number.NaN)]) {
            const error = await lane
              .run({ context: contextOf('u6'), statement: statementOf('select $1::text', [value]) })
              .catch((e: unknown) => e);
            expect(error).toBeInstanceOf(NotSupportedError);
            expect(String(error)).toMatch(/\$1/);
            expect(String(error)).not.toMatch(/secret/);
          }
          const many = Array.from({ length: 70_000 }, () => 'x');
          await expect(lane.run({ context: contextOf('u6'), statement: statementOf('select 1', many) })).rejects.toThrow(NotSupportedError);
          await expect(lane.run({ context: contextOf('u6'), statement: statementOf('select 1\0') })).rejects.toThrow(NotSupportedError);
          expect(await namesOf(lane, 'u6')).toEqual([]);
        }));

      test('of one tenant overlap; another tenant’s is refused until they have settled', async () =>
        await withLane(async (lane) => {
          const units = Array.from({ length: 5 }, (_, index) =>
            lane.run({ context: contextOf('u7'), statement: insertProduct('u7', `n${index}`) }),
          );
          expect(lane.depth).toBe(5);
          await expect(lane.run({ context: contextOf('u8'), statement: selectNames })).rejects.toThrow(WrongTenantError);
          await expect(lane.transaction(contextOf('u7'), {}, async () => {})).rejects.toThrow(WrongTenantError);
          await Promise.all(units);
          expect(await namesOf(lane, 'u7')).toHaveLength(5);
          expect(await namesOf(lane, 'u8')).toEqual([]);
        }));

      test('fail alone: those pipelined around a failing one are kept', async () =>
        await withLane(async (lane) => {
          const [first, second, third] = await Promise.allSettled([
            lane.run({ context: contextOf('u9'), statement: insertProduct('u9', 'before') }),
            lane.run({ context: contextOf('u9'), statement: failing }),
            lane.run({ context: contextOf('u9'), statement: insertProduct('u9', 'after') }),
          ]);
          expect(first.status).toBe('fulfilled');
          expect((second as PromiseRejectedResult).reason).toMatchObject({ sqlState: '22012', tenantId: 'u9' });
          expect(third.status).toBe('fulfilled');
          expect(await namesOf(lane, 'u9')).toEqual(['after', 'before']);
        }));

      test('are refused by the policy as PolicyViolationError, by a constraint as QueryFailedError without the value', async () =>
        await withLane(async (lane) => {
          await expect(lane.run({ context: contextOf('u10'), statement: insertProduct('u11', 'stolen') })).rejects.toThrow(
            PolicyViolationError,
          );
          await lane.run({ context: contextOf('u10'), statement: insertProduct('u10', 'DE89370400440532013000') });
          const deferred = statementOf(
            'with d as (select set_config($1, $2, true)) insert into app.products (tenant_id, name) select $3, $4 from d',
            ['application_name', 'x', 'u10', 'DE89370400440532013000'],
          );
          const error = await lane.run({ context: contextOf('u10'), statement: deferred }).catch((e: unknown) => e);
          expect(error).toBeInstanceOf(QueryFailedError);
          expect(error).toMatchObject({ sqlState: '23505', failure: { constraint: 'products_tenant_id_name_key', table: 'products' } });
          expect(JSON.stringify({ ...(error as object), text: String(error), stack: (error as Error).stack })).not.toMatch(/DE89/);
        }));

      test('never carry values of an answer’s error', async () =>
        await withLane(async (lane) => {
          for (const statement of [
            statementOf('select $1::uuid', ['secret-value']),
            statementOf("select 'secret-value'::int"),
            statementOf('select "secret-value"'),
          ]) {
            const error = (await lane.run({ context: contextOf('u12'), statement }).catch((e: unknown) => e)) as Error;
            expect(error).toBeInstanceOf(QueryFailedError);
            expect(`${error.message} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toMatch(/secret-value/);
          }
        }));

      test.each([
        'commit',
        'rollback',
        ' ; /* a /* b */ */ -- c\n COMMIT',
        'begin',
        'start transaction',
        'savepoint a',
        'copy app.products to stdout',
        'prepare a as select 1',
        'deallocate all',
        'execute a',
        'end',
        'abort',
        'release a',
      ])(
        'refuse %j',
        async (text) =>
          await withLane(async (lane) => {
            await expect(lane.run({ context: rawContextOf('u13'), statement: statementOf(text, [], { prepare: false }) })).rejects.toThrow(
              NotSupportedError,
            );
            expect(lane.state).toBe('open');
          }),
      );

      test('hold one command each', async () =>
        await withLane(async (lane) => {
          for (const prepare of [true, false]) {
            const stacked = statementOf("select 1; set session application_name = 'stacked'", [], { prepare });
            await expect(lane.run({ context: contextOf('u14'), statement: stacked })).rejects.toMatchObject({ sqlState: '42601' });
          }
          const { rows } = await lane.run({
            context: contextOf('u14'),
            statement: statementOf("select current_setting('application_name')"),
          });
          expect(rows).not.toEqual([['stacked']]);
        }));

      test('that are aborted before they are sent, or while they run, leave the lane usable', async () =>
        await withLane(async (lane) => {
          await expect(lane.run({ context: contextOf('u15'), statement: selectNames }, AbortSignal.abort())).rejects.toThrow(AbortedError);
          for (let time = 0; time < 5; time++) {
            const started = performance.now();
            const sleeping = lane.run(
              { context: contextOf('u15'), statement: statementOf('select pg_sleep(20)') },
              AbortSignal.timeout(40),
            );
            await expect(sleeping).rejects.toThrow(AbortedError);
            expect(performance.now() - started).toBeLessThan(5_000);
            expect(await namesOf(lane, 'u16')).toEqual([]);
          }
          expect(lane.state).toBe('open');
        }));

      test('pipelined behind an aborted one still succeed', async () =>
        await withLane(async (lane) => {
          const signal = AbortSignal.timeout(40);
          const [sleeping, ...others] = await Promise.allSettled([
            lane.run({ context: contextOf('u17'), statement: statementOf('select pg_sleep(20)') }, signal),
            ...Array.from({ length: 4 }, (_, index) =>
              lane.run({ context: contextOf('u17'), statement: insertProduct('u17', `p${index}`) }),
            ),
          ]);
          expect((sleeping as PromiseRejectedResult).reason).toBeInstanceOf(AbortedError);
          expect(others.map((other) => other.status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'fulfilled']);
          expect(await namesOf(lane, 'u17')).toEqual(['p0', 'p1', 'p2', 'p3']);
        }));

      test('after the lane was closed are refused as never sent', async () => {
        const lane = await open(database);
        await lane.close();
        await expect(lane.run({ context: contextOf('u18'), statement: selectNames })).rejects.toMatchObject({
          code: 'LANE_LOST',
          sent: false,
        });
        expect(lane.state).toBe('closed');
      });

      test('under way when the lane is closed still end well', async () => {
        const lane = await open(database);
        const unit = lane.run({ context: contextOf('u19'), statement: statementOf('select pg_sleep(0.2)') });
        await lane.close();
        await expect(unit).resolves.toMatchObject({ rowCount: 1 });
      });
    });

    describe('transactions', () => {
      test('commit what resolves and roll back what rejects', async () =>
        await withLane(async (lane) => {
          const value = await lane.transaction(
            contextOf('t1'),
            { isolationLevel: 'serializable', accessMode: 'read write', deferrable: false },
            async (tx) => {
              await tx.execute(insertProduct('t1', 'a'));
              const { rows } = await tx.execute(statementOf('select current_setting($1)', ['transaction_isolation']));
              expect(rows).toEqual([['serializable']]);
              return 'done';
            },
          );
          expect(value).toBe('done');
          await expect(
            lane.transaction(contextOf('t1'), {}, async (tx) => {
              await tx.execute(insertProduct('t1', 'b'));
              throw new RangeError('mine');
            }),
          ).rejects.toThrow(RangeError);
          expect(await namesOf(lane, 't1')).toEqual(['a']);
        }));

      test('refuse options that are not PostgreSQL’s words', async () =>
        await withLane(async (lane) => {
          const options = { isolationLevel: 'serializable; drop table x' } as never;
          await expect(lane.transaction(contextOf('t1'), options, async () => {})).rejects.toThrow(NotSupportedError);
        }));

      test('that execute nothing send nothing', async () =>
        await withLane(async (lane) => {
          expect(
            await lane.transaction(
              contextOf('t2', {
                sign: () => {
                  throw new Error('not asked for');
                },
              }),
              {},
              async () => 1,
            ),
          ).toBe(1);
        }));

      test('own the lane', async () =>
        await withLane(async (lane) => {
          await lane.transaction(contextOf('t3'), {}, async (tx) => {
            await tx.execute(selectNames);
            await expect(lane.run({ context: contextOf('t3'), statement: selectNames })).rejects.toThrow(WrongTenantError);
          });
        }));

      test('used after their end are refused', async () =>
        await withLane(async (lane) => {
          let kept: LaneTransaction | undefined;
          await lane.transaction(contextOf('t4'), {}, async (tx) => {
            kept = tx;
            await tx.execute(selectNames);
          });
          expect(kept!.over).toBe(true);
          await expect(kept!.execute(selectNames)).rejects.toThrow(TransactionOverError);
          await expect(kept!.savepoint(async () => {})).rejects.toThrow(TransactionOverError);
        }));

      test('in which a caught statement failed reject with TransactionAbortedError', async () =>
        await withLane(async (lane) => {
          const work = lane.transaction(contextOf('t5'), {}, async (tx) => {
            await tx.execute(insertProduct('t5', 'lost'));
            await tx.execute(failing).catch(() => {});
          });
          const error = (await work.catch((e: unknown) => e)) as TransactionAbortedError;
          expect(error).toBeInstanceOf(TransactionAbortedError);
          expect(error.cause).toMatchObject({ sqlState: '22012' });
          expect(await namesOf(lane, 't5')).toEqual([]);
        }));

      test('nest by savepoints', async () =>
        await withLane(async (lane) => {
          await lane.transaction(contextOf('t6'), {}, async (tx) => {
            await tx.savepoint(async () => {
              await tx.execute(insertProduct('t6', 'outer'));
              await tx
                .savepoint(async () => {
                  await tx.execute(insertProduct('t6', 'inner'));
                  throw new Error('undo inner');
                })
                .catch(() => {});
              await tx
                .savepoint(async () => {
                  await tx.execute(failing);
                })
                .catch(() => {});
              await expect(
                tx.savepoint(async () => {
                  await tx.execute(failing).catch(() => {});
                }),
              ).rejects.toThrow(TransactionAbortedError);
              await tx.savepoint(async () => {
                await tx.execute(insertProduct('t6', 'kept'));
              });
            });
          });
          expect(await namesOf(lane, 't6')).toEqual(['kept', 'outer']);
        }));

      test('keep overlapping savepoints and statements apart', async () =>
        await withLane(async (lane) => {
          await lane.transaction(contextOf('t7'), {}, async (tx) => {
            const pause = async (): Promise<void> => {
              await tx.execute(statementOf('select pg_sleep(0.02)'));
            };
            await Promise.allSettled([
              tx.execute(insertProduct('t7', 'before')),
              tx.savepoint(async () => {
                await pause();
                await tx.execute(insertProduct('t7', 'undone'));
                await pause();
                throw new Error('undo');
              }),
              tx.execute(insertProduct('t7', 'outside')),
              tx.savepoint(async () => {
                await pause();
                await tx.execute(insertProduct('t7', 'sibling'));
              }),
              tx.execute(insertProduct('t7', 'after')),
            ]);
          });
          expect(await namesOf(lane, 't7')).toEqual(['after', 'before', 'outside', 'sibling']);
        }));

      test('refuse statements of a savepoint that is over', async () =>
        await withLane(async (lane) => {
          await lane.transaction(contextOf('t8'), {}, async (tx) => {
            let late: Promise<unknown> | undefined;
            let go = (): void => {};
            const gate = new Promise<void>((resolve) => {
              go = resolve;
            });
            await tx.savepoint(async () => {
              late = (async () => {
                await gate;
                return await tx.execute(insertProduct('t8', 'late'));
              })();
              late.catch(() => {});
              await tx.execute(selectNames);
            });
            go();
            await expect(late).rejects.toThrow(TransactionOverError);
          });
          expect(await namesOf(lane, 't8')).toEqual([]);
        }));

      test('set the search_path ahead of raw SQL only, and again after a savepoint undid it', async () =>
        await withLane(async (lane) => {
          const path = statementOf("select current_setting('search_path')");
          await lane.transaction(contextOf('t9', { searchPath: 'app, pg_temp' }), {}, async (tx) => {
            expect((await tx.execute(path)).rows).not.toEqual([['app, pg_temp']]);
            await tx
              .savepoint(async () => {
                expect((await tx.execute(path, { raw: true })).rows).toEqual([['app, pg_temp']]);
                throw new Error('undo');
              })
              .catch(() => {});
            expect((await tx.execute(path, { raw: true })).rows).toEqual([['app, pg_temp']]);
          });
        }));

      test('whose COMMIT is refused by a deferred constraint reject and keep nothing', async () =>
        await withLane(async (lane) => {
          await lane.run({ context: contextOf('t12'), statement: insertProduct('t12', 'DE8937') });
          const error = (await lane
            .transaction(contextOf('t12'), {}, async (tx) => {
              await tx.execute(statementOf('set constraints all deferred'));
              await tx.execute(insertProduct('t12', 'other'));
              await tx.execute(insertProduct('t12', 'DE8937'));
            })
            .catch((e: unknown) => e)) as Error;
          expect(error).toMatchObject({ sqlState: '23505', failure: { constraint: 'products_tenant_id_name_key' } });
          expect(error.message).toMatch(/^The COMMIT of tenant t12 failed: unique violation/);
          expect(error.message).not.toMatch(/DE8937/);
          expect(await namesOf(lane, 't12')).toEqual(['DE8937']);
        }));

      test('that are aborted roll back; a statement that is aborted fails its transaction', async () =>
        await withLane(async (lane) => {
          let statement: Promise<unknown> | undefined;
          const whole = lane.transaction(contextOf('t10'), { signal: AbortSignal.timeout(60) }, async (tx) => {
            await tx.execute(insertProduct('t10', 'gone'));
            statement = tx.execute(statementOf('select pg_sleep(20)'));
            statement.catch(() => {});
            await statement;
          });
          await expect(whole).rejects.toThrow(AbortedError);
          await expect(statement).rejects.toThrow();
          await expect(
            lane.transaction(contextOf('t10'), {}, async (tx) => {
              await tx.execute(insertProduct('t10', 'gone'));
              await expect(tx.execute(statementOf('select pg_sleep(20)'), { signal: AbortSignal.timeout(40) })).rejects.toThrow(
                AbortedError,
              );
            }),
          ).rejects.toThrow(TransactionAbortedError);
          expect(await namesOf(lane, 't10')).toEqual([]);
          expect(lane.state).toBe('open');
        }));

      test('end with the connection: the callback is left behind and can do nothing more', async () => {
        const lane = await open(database);
        let late: (outcome: unknown) => void = () => {};
        const outcome = new Promise<unknown>((resolve) => {
          late = resolve;
        });
        const work = lane.transaction(contextOf('t11'), {}, async (tx) => {
          await tx.execute(insertProduct('t11', 'gone'));
          const [row] = (await tx.execute(statementOf('select pg_backend_pid()'))).rows as [[number]];
          await database.admin`select pg_terminate_backend(${row[0]})`;
          await lane.ended;
          late(await tx.execute(insertProduct('t11', 'late')).catch((error: unknown) => error));
        });
        await expect(work).rejects.toThrow(LaneLostError);
        expect(lane.state).toBe('lost');
        expect(await outcome).toBeInstanceOf(TenancyError);
        const rows = await database.admin`select name from app.products where tenant_id = 't11'`;
        expect(rows).toHaveLength(0);
      });
    });

    describe('COPY TO', () => {
      const rows = async (data: AsyncIterable<Uint8Array>): Promise<string[]> => {
        let text = '';
        for await (const chunk of data) text += Buffer.from(chunk).toString();
        return text.split('\n').slice(0, -1);
      };
      const numbers = (count: number): string => `copy (select n, repeat('x', 100) from generate_series(1, ${count}) n) to stdout`;

      test('yields the tenant’s rows only, between other statements of its transaction', async () =>
        await withLane(async (lane) => {
          for (const tenantId of ['c1', 'c2']) await lane.run({ context: contextOf(tenantId), statement: insertProduct(tenantId, 'p') });
          const context = contextOf('c1', { searchPath: 'app, pg_temp' });
          await lane.transaction(context, {}, async (tx) => {
            expect(await rows(tx.copyTo('copy products (tenant_id, name) to stdout'))).toEqual(['c1\tp']);
            await tx.execute(insertProduct('c1', 'q'));
            expect(await rows(tx.copyTo('copy (select name from products order by 1) to stdout with (format csv)'))).toEqual(['p', 'q']);
            expect(await rows(tx.copyTo('copy (select 1 where false) to stdout'))).toEqual([]);
          });
          expect(await namesOf(lane, 'c1')).toEqual(['p', 'q']);
        }));

      test('waits for a reader who takes a break, and then goes on to the end', async () =>
        await withLane(async (lane) => {
          await lane.transaction(contextOf('c3'), {}, async (tx) => {
            const [[pid]] = (await tx.execute(statementOf('select pg_backend_pid()'))).rows as [[number]];
            let bytes = 0;
            for await (const chunk of tx.copyTo(numbers(400_000))) {
              // All buffers on the way are full: the server waits before it makes more.
              if (bytes === 0)
                await eventually(async () => {
                  expect(await database.admin`select wait_event from pg_stat_activity where pid = ${pid}`).toEqual([
                    { wait_event: 'ClientWrite' },
                  ]);
                });
              bytes += chunk.length;
            }
            expect(bytes).toBe(43_088_895);
          });
        }));

      test('of one tenant after another’s on one lane, read, aborted, ended early and forgotten, yields its own rows only', async () =>
        await withLane(async (lane) => {
          const names = 'copy (select name from products order by 1) to stdout';
          const own = async (tenantId: string): Promise<void> => {
            await lane.transaction(contextOf(tenantId, { searchPath: 'app, pg_temp' }), {}, async (tx) => {
              expect(await rows(tx.copyTo(names))).toEqual([`of ${tenantId}`]);
            });
          };
          for (const tenantId of ['c9', 'c10'])
            await lane.run({ context: contextOf(tenantId), statement: insertProduct(tenantId, `of ${tenantId}`) });
          for (const how of ['read', 'abort', 'break', 'forget']) {
            await own('c9');
            const stop = new AbortController();
            await lane
              .transaction(contextOf('c9', { searchPath: 'app, pg_temp' }), {}, async (tx) => {
                const endless = tx.copyTo('copy (select p.name, n from products p, generate_series(1, 3000000) n) to stdout', {
                  signal: stop.signal,
                });
                if (how === 'forget') await endless[Symbol.asyncIterator]().next();
                else if (how !== 'read')
                  for await (const _ of endless) {
                    if (how === 'break') break;
                    stop.abort();
                  }
              })
              .then(
                () => expect(how).toBe('read'),
                (error: unknown) => expect(error).toBeInstanceOf(how === 'abort' ? AbortedError : TransactionAbortedError),
              );
            await own('c10');
          }
          expect(lane.state).toBe('open');
        }));

      test('lets no other statement run meanwhile', async () =>
        await withLane(async (lane) => {
          await lane.transaction(contextOf('c4'), {}, async (tx) => {
            for await (const _ of tx.copyTo('copy (select 1) to stdout'))
              await expect(tx.execute(selectNames)).rejects.toThrow(NotSupportedError);
            await tx.execute(selectNames);
          });
        }));

      test('that is ended early, or aborted, is cancelled and fails the transaction; the lane serves on', async () =>
        await withLane(async (lane) => {
          const ended = lane.transaction(contextOf('c5'), {}, async (tx) => {
            await tx.execute(insertProduct('c5', 'lost'));
            for await (const _ of tx.copyTo(numbers(3_000_000))) break;
          });
          await expect(ended).rejects.toThrow(TransactionAbortedError);
          const left = lane.transaction(contextOf('c5'), {}, async (tx) => {
            await tx.execute(insertProduct('c5', 'lost'));
            await tx.copyTo(numbers(3_000_000))[Symbol.asyncIterator]().next();
          });
          await expect(left).rejects.toThrow(TransactionAbortedError);
          const aborted = lane.transaction(contextOf('c5'), {}, async (tx) => {
            const sleeping = tx.copyTo('copy (select pg_sleep(20)) to stdout', { signal: AbortSignal.timeout(40) });
            await expect(rows(sleeping)).rejects.toThrow(AbortedError);
          });
          await expect(aborted).rejects.toThrow(TransactionAbortedError);
          const whole = lane.transaction(contextOf('c5'), { signal: AbortSignal.timeout(60) }, async (tx) => {
            await rows(tx.copyTo('copy (select pg_sleep(20)) to stdout'));
          });
          await expect(whole).rejects.toThrow(AbortedError);
          expect(await namesOf(lane, 'c5')).toEqual([]);
          expect(lane.state).toBe('open');
        }));

      test('that fails in the middle rejects without a value; in a savepoint the transaction goes on', async () =>
        await withLane(async (lane) => {
          await lane.transaction(contextOf('c6'), {}, async (tx) => {
            await tx.execute(insertProduct('c6', 'kept'));
            const failed = tx.savepoint(
              async () => await rows(tx.copyTo('copy (select 1 / (n - 5000) from generate_series(1, 9000) n) to stdout')),
            );
            await expect(failed).rejects.toMatchObject({ sqlState: '22012' });
            const ended = tx.savepoint(async () => {
              for await (const _ of tx.copyTo(numbers(3_000_000))) break;
            });
            await expect(ended).rejects.toThrow(TransactionAbortedError);
          });
          expect(await namesOf(lane, 'c6')).toEqual(['kept']);
        }));

      test.each([
        'select 1',
        'copy app.products from stdin',
        "copy app.products to '/tmp/x'",
        "copy app.products to program 'true'",
        "copy (select 'to stdout') from stdin",
        "copy (select E'\\') to stdout --') from stdin",
        'copy app.products /* to stdout */ from stdin',
        'copy "to stdout" from stdin',
        'copy (select $a$) to stdout$a$) from stdin',
      ])(
        'refuses %j',
        async (text) =>
          await withLane(async (lane) => {
            await lane.transaction(contextOf('c7'), {}, async (tx) => {
              await expect(rows(tx.copyTo(text))).rejects.toThrow(NotSupportedError);
              await tx.execute(selectNames);
            });
          }),
      );

      test('ends with the connection', async () =>
        await withLane(async (lane) => {
          const work = lane.transaction(contextOf('c8'), {}, async (tx) => {
            for await (const _ of tx.copyTo(numbers(3_000_000))) {
              await database.admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${database.login}`;
            }
          });
          await expect(work).rejects.toThrow(LaneLostError);
        }));
    });

    describe('after raw SQL', () => {
      test('the session is as it was', async () =>
        await withLane(async (lane) => {
          const raw = async (text: string): Promise<unknown> =>
            await lane.run({ context: rawContextOf('r1'), statement: statementOf(text, [], { prepare: false }) });
          await database.admin.unsafe(`grant temp on database "${database.name}" to "${database.login}"`);
          await raw("set application_name = 'left behind'");
          await raw("select set_config('search_path', 'pg_temp, app', false)");
          await raw('create temp table products (tenant_id text, name text)');
          await raw('select pg_advisory_lock(4711)');
          await raw('listen gossip');
          await raw('declare c cursor with hold for select 1');
          await raw("select nextval('products_id_seq')");
          const { rows } = await lane.run({
            context: contextOf('r2'),
            statement:
              statementOf(`select current_setting('application_name'), current_setting('search_path'), to_regclass('pg_temp.products')::text,
            (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
            (select count(*)::int from pg_listening_channels()), (select count(*)::int from pg_cursors where is_holdable)`),
          });
          expect(rows).toEqual([[expect.not.stringMatching(/left behind/), '"$user", public', null, 0, 0, 0]]);
          await expect(lane.run({ context: contextOf('r2'), statement: statementOf('select lastval()') })).rejects.toMatchObject({
            sqlState: '55000',
          });
          expect(lane.state).toBe('open');
        }));
    });
  });
}
