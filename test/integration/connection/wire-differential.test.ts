import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lane } from '../../../src/connection/lane.ts';
import type { Statement } from '../../../src/connection/statement.ts';
import { QueryFailedError, TenancyError } from '../../../src/errors.ts';
import { contextOf, createLaneDatabase, type LaneDatabase, statementOf } from '../../support/lane-database.ts';

/** The same random statements go through both wires, as one tenant each; rows, counts, commands, errors and the order of answers must be equal. */
let database: LaneDatabase;
let own: Lane;
let driver: Lane;
beforeAll(async () => {
  database = await createLaneDatabase();
  // So few that statements are closed and parsed anew all the time.
  own = await database.lane({ wire: 'own', maxStatements: 6 });
  driver = await database.lane({ wire: 'driver', maxStatements: 1_000_000 });
});
afterAll(async () => {
  await own.close();
  await driver.close();
  await database[Symbol.asyncDispose]();
});

const seed = Number(process.env['WIRE_FUZZ_SEED'] ?? randomInt(2 ** 31));
const numRuns = Number(process.env['WIRE_FUZZ_RUNS'] ?? 150);

/** A statement of whichever tenant; the other wire gets the same one with its own tenant. */
type Make = (tenantId: string) => Statement;

const text = fc.string({ unit: 'binary', maxLength: 60 }).map((value) => value.replaceAll('\0', ''));
const values: Record<string, fc.Arbitrary<unknown>> = {
  text: fc.oneof(text, fc.constant('x'.repeat(70_000)), fc.constant('')),
  int4: fc.oneof(fc.integer(), fc.constant('not a number'), fc.constant(3e9)),
  int2: fc.integer({ min: -32_768, max: 32_767 }),
  int8: fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.maxSafeInteger()),
  float8: fc.double({ noNaN: true, noDefaultInfinity: true }),
  numeric: fc.oneof(fc.integer(), fc.constant('-0.000100'), fc.constant('1e40')),
  bool: fc.oneof(fc.boolean(), fc.constantFrom('true', 'f', 'perhaps')),
  timestamptz: fc.date({ min: new Date('1800-01-01'), max: new Date('2200-01-01'), noInvalidDate: true }),
  date: fc.constantFrom('2024-02-29', '0044-03-15 BC', 'infinity', '2023-02-29'),
  bytea: fc.uint8Array({ maxLength: 40 }),
  jsonb: fc.oneof(fc.dictionary(fc.constantFrom('a', 'b'), fc.integer()), fc.constant('{'), fc.constant('[1, "é"]')),
  uuid: fc.oneof(fc.uuid(), fc.constant('no-uuid')),
  'int4[]': fc.array(fc.option(fc.integer())),
  'text[]': fc.array(fc.option(text)),
  'bool[]': fc.array(fc.boolean()),
  name: fc.constantFrom('n', 'longer_name'),
};
const typed = fc.constantFrom(...Object.keys(values)).chain((type) => fc.option(values[type]!).map((value) => ({ type, value })));
const shape = fc.record({ rows: fc.constantFrom('array' as const, 'object' as const), prepare: fc.boolean() });

const selectValues = fc.tuple(fc.array(typed, { minLength: 1, maxLength: 6 }), fc.integer({ min: 0, max: 30 }), shape).map(
  ([columns, count, more]): Make =>
    () =>
      statementOf(
        `select ${columns.map(({ type }, index) => `$${index + 1}::${type} as c${index % 4}`).join(', ')} from generate_series(1, ${count}) n`,
        columns.map(({ value }) => value),
        more,
      ),
);
const writes = fc.tuple(fc.integer({ min: 0, max: 12 }), fc.constantFrom('insert', 'update', 'delete', 'many', 'foreign'), shape).map(
  ([n, kind, more]): Make =>
    (tenantId) => {
      const name = `n${n}`;
      switch (kind) {
        case 'insert':
          return statementOf('insert into app.products (tenant_id, name) values ($1, $2) returning name', [tenantId, name], more);
        case 'update':
          return statementOf("update app.products set name = name || '+' where name = $1 returning name", [name], more);
        case 'delete':
          return statementOf('delete from app.products where name like $1', [`${name}%`], more);
        case 'many':
          return statementOf(
            'insert into app.products (tenant_id, name) select $1, g::text from generate_series(1, $2::int) g',
            [tenantId, n],
            more,
          );
        default:
          return statementOf('insert into app.products (tenant_id, name) values ($1, $2)', ['another', name], more);
      }
    },
);
const fixed = fc
  .tuple(
    fc.constantFrom(
      '',
      '-- nothing',
      'select',
      'select name from app.products order by name',
      'select 1 as a, 2 as a, null as "__proto__"',
      'select 1 / 0',
      'select 1 / (n - 50) from generate_series(1, 100) n',
      'selec 1',
      'select * from app.absent',
      'select absent from app.products',
      'select $1::int',
      'select count(*) from app.products',
      "select 'é€😀' || repeat('ü', 3000)",
      "do $$ begin raise notice 'in between'; perform set_config('application_name', 'other', true); end $$",
      'select 1; select 2',
      'table app.unknown',
      'values (1, true), (2, null)',
      "with x as (select 'a' as v) select v, v from x",
      'set local work_mem = 64',
      'show work_mem',
      'create table app.mine (id int)',
      'declare c cursor for select 1',
      'commit',
    ),
    shape,
  )
  .map(
    ([sql, more]): Make =>
      () =>
        statementOf(sql, [], more),
  );
const makes = fc.array(fc.tuple(fc.oneof(selectValues, writes, fixed), fc.boolean()), { minLength: 1, maxLength: 6 });

async function outcomes(
  lane: Lane,
  tenantId: string,
  batch: readonly (readonly [Make, boolean])[],
  transaction: boolean,
): Promise<unknown> {
  const order: number[] = [];
  const noting = async (work: Promise<unknown>, index: number): Promise<unknown> => {
    try {
      return plain(await work, tenantId);
    } catch (error) {
      return told(error, tenantId);
    } finally {
      order.push(index);
    }
  };
  if (!transaction) {
    const results = await Promise.all(
      batch.map(
        async ([make, raw], index) => await noting(lane.run({ context: contextOf(tenantId, { raw }), statement: make(tenantId) }), index),
      ),
    );
    // A failure may be told later than it was met: where another statement of the same text could not be parsed, nothing is prepared by its
    // name, and the unit is run again whole before it is refused.
    return { results, order: order.filter((index) => (results[index] as { failure?: unknown }).failure === undefined) };
  }
  const results: unknown[] = [];
  const end = await noting(
    lane.transaction(contextOf(tenantId), {}, async (tx) => {
      let failed = false;
      for (const [index, [make, raw]] of batch.entries()) {
        const result = await noting(tx.execute(make(tenantId), { raw }), index);
        const refused = (result as { failure?: unknown }).failure !== undefined;
        // In a transaction that has failed, who refuses a statement depends on whether its text happens to be prepared.
        results.push(failed && refused ? 'refused' : result);
        failed ||= refused;
      }
    }),
    -1,
  );
  return { results, order, end };
}

const plain = (value: unknown, tenantId: string): unknown => anonymous(value, tenantId);

/** What a caller may see of an error, less the tenant's name. */
function told(error: unknown, tenantId: string): unknown {
  if (!(error instanceof TenancyError)) throw error;
  return anonymous(
    {
      name: error.constructor.name,
      message: error.message,
      code: error.code,
      retryable: error.retryable,
      failure: error instanceof QueryFailedError ? error.failure : undefined,
    },
    tenantId,
  );
}

function anonymous(value: unknown, tenantId: string): unknown {
  if (typeof value === 'string') return value.replaceAll(tenantId, 'TENANT');
  if (Array.isArray(value)) return value.map((element) => anonymous(element, tenantId));
  if (value === null || typeof value !== 'object' || value instanceof Date || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, anonymous(element, tenantId)]));
}

test(`both wires answer alike (WIRE_FUZZ_SEED=${seed})`, async () => {
  let failures = 0;
  let rows = 0;
  await fc.assert(
    fc.asyncProperty(makes, fc.boolean(), async (batch, transaction) => {
      const ours = await outcomes(own, 'wire-own', batch, transaction);
      const theirs = await outcomes(driver, 'wire-drv', batch, transaction);
      expect(ours).toEqual(theirs);
      const said = JSON.stringify(ours, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
      failures += said.split('"failure"').length - 1;
      rows += said.split('"rowCount"').length - 1;
    }),
    { seed, numRuns, endOnFailure: true },
  );
  // The comparison is of something: both kinds of answers came.
  expect(failures).toBeGreaterThan(numRuns / 10);
  expect(rows).toBeGreaterThan(numRuns / 10);
});
