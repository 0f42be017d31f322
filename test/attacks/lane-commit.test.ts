import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { LaneTransaction } from '../../src/connection/lane.ts';
import { TransactionAbortedError, TransactionOverError } from '../../src/errors.ts';
import {
  contextOf,
  createLaneDatabase,
  insertProduct,
  type LaneDatabase,
  selectNames,
  statementOf,
  wires,
} from '../support/lane-database.ts';

describe.each(wires)('the end of a transaction (%s wire)', (wire) => {
  let database: LaneDatabase;
  beforeAll(async () => {
    database = await createLaneDatabase();
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });
  const countOf = async (tenantId: string): Promise<number> =>
    (await database.admin`select 1 from app.products where tenant_id = ${tenantId}`).length;

  test('control: a COMMIT that answers ROLLBACK resolves in the stock driver', async () => {
    const sql = postgres(database.url, { max: 1, fetch_types: false });
    await sql`begin`;
    await sql`select set_config('tenancy.context', 'a', true)`;
    await sql`insert into app.products (tenant_id, name) values ('a', 'lost')`;
    await sql`select 1 / 0`.catch(() => {});
    await expect(sql`commit`).resolves.toMatchObject({ command: 'ROLLBACK' });
    await sql.end();
    expect(await countOf('a')).toBe(0);
  });

  test('a COMMIT that answers ROLLBACK rejects', async () => {
    const lane = await database.lane({ wire });
    await expect(
      lane.transaction(contextOf('a'), {}, async (tx) => {
        await tx.execute(insertProduct('a', 'lost'));
        await tx.execute(statementOf('select 1 / 0')).catch(() => {});
        return 'looks fine';
      }),
    ).rejects.toThrow(TransactionAbortedError);
    expect(await countOf('a')).toBe(0);
    await lane.close();
  });

  test('control: a stock transaction object used after its COMMIT runs in the next transaction', async () => {
    await database.admin`insert into app.products (tenant_id, name) values ('b', 'secret of b')`;
    const sql = postgres(database.url, { max: 1, fetch_types: false });
    let kept: postgres.TransactionSql | undefined;
    await sql.begin(async (tx) => {
      kept = tx;
      await tx`select set_config('tenancy.context', 'a', true)`;
    });
    const seen = await sql.begin(async (tx) => {
      await tx`select set_config('tenancy.context', 'b', true)`;
      return await kept!`select name from app.products`;
    });
    await sql.end();
    expect(seen).toEqual([{ name: 'secret of b' }]);
  });

  test('a transaction used after its end is refused, also inside the next one', async () => {
    const lane = await database.lane({ wire });
    let kept: LaneTransaction | undefined;
    await lane.transaction(contextOf('a'), {}, async (tx) => {
      kept = tx;
      await tx.execute(selectNames);
    });
    await lane.transaction(contextOf('b'), {}, async (tx) => {
      await tx.execute(selectNames);
      await expect(kept!.execute(selectNames)).rejects.toThrow(TransactionOverError);
      await expect(kept!.savepoint(async () => {})).rejects.toThrow(TransactionOverError);
    });
    await lane.close();
  });
});
