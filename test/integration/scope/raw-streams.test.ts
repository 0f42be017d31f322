import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  AbortedError,
  ConfigurationError,
  NoTenantError,
  NotSupportedError,
  QueryFailedError,
  TransactionOverError,
  WrongTenantError,
} from '../../../src/errors.ts';
import { withClient } from '../../../src/provision/admin-client.ts';
import type { Tenancy } from '../../../src/tenancy.ts';
import { adminUrl, serverMajor } from '../../support/server.ts';
import { createShop, type Shop } from '../../support/shop/platform.ts';
import { products } from '../../support/shop/schema.ts';
import { outside } from './outside.ts';

let shop: Shop;
let tenancy: Tenancy<{ products: typeof products }>;

beforeAll(async () => {
  shop = await createShop({
    tenants: [
      { id: 'acme', tier: 'standard' },
      { id: 'globex', tier: 'standard' },
    ],
  });
  for (const id of ['acme', 'globex'])
    await shop.tenancy.run(id, () =>
      shop.tenancy.db
        .insert(products)
        .values(Array.from({ length: 250 }, (_, i) => ({ sku: `${id}-${String(i).padStart(3, '0')}`, stock: i }))),
    );
});
afterAll(async () => {
  await shop?.close();
});
beforeEach(async () => {
  // One lane: whatever keeps it is seen by whoever comes next.
  tenancy = (await shop.open({ lanes: { maxPerDatabase: 1, acquireTimeoutMs: 10_000 } })) as never;
  return async () => await tenancy.close();
});

const skus = (size?: number) => tenancy.sql<{ sku: string }>`select sku from products where stock >= ${0} order by sku`.cursor(size);
/** What is open on the tenants' database. */
async function cursors(): Promise<string[]> {
  const rows = await tenancy.run('acme', () => tenancy.sql<{ name: string }>`select name from pg_cursors where name like 'tenancy%'`);
  return rows.map(({ name }) => name);
}

describe('cursors', () => {
  test('read every row of the tenant, a batch at a time, and give the lane back', async () => {
    await tenancy.run('acme', async () => {
      const batches: number[] = [];
      const seen: string[] = [];
      for await (const batch of skus(100)) {
        batches.push(batch.length);
        seen.push(...batch.map(({ sku }) => sku));
      }
      expect(batches).toEqual([100, 100, 50]);
      expect(new Set(seen.map((sku) => sku.split('-')[0]))).toEqual(new Set(['acme']));
      expect(seen).toHaveLength(250);
      // The number of rows is a multiple of the batch's size: no empty batch at the end.
      const exact: number[] = [];
      for await (const batch of skus(125)) exact.push(batch.length);
      expect(exact).toEqual([125, 125]);
    });
    expect(await cursors()).toEqual([]);
  });

  test('stream one row after the other', async () => {
    await tenancy.run('globex', async () => {
      let rows = 0;
      for await (const { sku } of tenancy.sql<{ sku: string }>`select sku from products`.stream(7)) {
        expect(sku).toMatch(/^globex-/);
        rows++;
      }
      expect(rows).toBe(250);
    });
  });

  test.each(['break', 'throw'])('%s ends them on the server', async (how) => {
    await tenancy.run('acme', async () => {
      const read = async () => {
        for await (const _batch of skus(10)) {
          if (how === 'break') break;
          throw new Error('enough');
        }
      };
      if (how === 'break') await read();
      else await expect(read()).rejects.toThrow('enough');
    });
    expect(await cursors()).toEqual([]);
  });

  test('an iteration that is forgotten ends with its scope', async () => {
    const box = await tenancy.run('acme', async () => {
      const iterator = skus(10)[Symbol.asyncIterator]();
      expect((await iterator.next()).value).toHaveLength(10);
      return { iterator };
    });
    // The only lane is free again.
    expect(await cursors()).toEqual([]);
    await expect(box.iterator.next()).rejects.toBeInstanceOf(NoTenantError);
  });

  test('are the tenant’s whose scope they were made in, batch by batch', async () => {
    const free = await shop.open();
    await free.run('acme', async () => {
      const iterator = free.sql`select sku from products`.cursor(10)[Symbol.asyncIterator]();
      await iterator.next();
      await expect(outside(() => iterator.next())).rejects.toBeInstanceOf(NoTenantError);
    });
    const made = await free.run('acme', () => ({ cursor: free.sql`select sku from products`.cursor(10) }));
    await expect(
      free.run('globex', async () => {
        for await (const _ of made.cursor);
      }),
    ).rejects.toBeInstanceOf(WrongTenantError);
    const entries = await shop.control.auditEntries({ action: 'scope.wrong-tenant' });
    expect(entries[0]).toMatchObject({ tenantId: 'globex', targetTenantId: 'acme' });
  });

  test('join the transaction that the code is in, and see what it wrote', async () => {
    await tenancy.run('acme', async () => {
      await expect(
        tenancy.transaction(async (tx) => {
          await tx.insert(products).values({ sku: 'acme-zzz', stock: 1_000 });
          let rows = 0;
          for await (const batch of skus(50)) {
            rows += batch.length;
            // Statements of the transaction have room between batches: no other lane is needed.
            await tx.select().from(products).where(eq(products.sku, 'acme-000'));
          }
          expect(rows).toBe(251);
          for await (const _ of skus(10)) break;
          expect(await tenancy.sql`select name from pg_cursors where name like 'tenancy%'`).toEqual([]);
          tx.rollback();
        }),
      ).rejects.toThrow('Rollback');
      expect(await tenancy.db.$count(products)).toBe(250);
      const box = await tenancy.transaction(async () => {
        const iterator = skus(10)[Symbol.asyncIterator]();
        await iterator.next();
        return { iterator };
      });
      await expect(box.iterator.next()).rejects.toBeInstanceOf(TransactionOverError);
    });
  });

  test('a statement that fails is an error of the loop; sizes are whole numbers', async () => {
    await tenancy.run('acme', async () => {
      await expect(
        (async () => {
          for await (const _ of tenancy.sql`select 1 / (stock - 100) from products order by stock`.cursor(10));
        })(),
      ).rejects.toMatchObject({ sqlState: '22012' });
      await expect(
        (async () => {
          for await (const _ of tenancy.sql`delete from products`.cursor());
        })(),
      ).rejects.toBeInstanceOf(QueryFailedError);
      for (const size of [0, -1, 1.5, Number.NaN, '1; drop table products' as never])
        expect(() => tenancy.sql`select 1`.cursor(size)).toThrow(ConfigurationError);
    });
    expect(await cursors()).toEqual([]);
  });

  test('a signal ends them while they are read and while nobody reads', async () => {
    await tenancy.run('acme', async () => {
      const stop = new AbortController();
      const slow = tenancy.sql`select pg_sleep(case stock when 20 then 30 else 0 end) from products order by stock`.signal(stop.signal);
      const started = Date.now();
      await expect(
        (async () => {
          for await (const _ of slow.cursor(10)) setTimeout(() => stop.abort(), 50);
        })(),
      ).rejects.toBeInstanceOf(AbortedError);
      expect(Date.now() - started).toBeLessThan(20_000);

      const idle = new AbortController();
      const iterator = tenancy.sql`select sku from products`.signal(idle.signal).cursor(10)[Symbol.asyncIterator]();
      await iterator.next();
      idle.abort();
      await expect(iterator.next()).rejects.toBeInstanceOf(AbortedError);
    });
    expect(await cursors()).toEqual([]);
  });

  test('what is not read stays on the server', async () => {
    await tenancy.run('acme', async () => {
      let rows = 0;
      // No process could hold all of them.
      for await (const _ of tenancy.sql`select repeat('x', 1000) as filler, generate_series(1, 1000000000)`.stream(200))
        if (++rows === 1_000) break;
      expect(rows).toBe(1_000);
    });
  });
});

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

describe('COPY TO', () => {
  test('writes the tenant’s rows as CSV, text and binary', async () => {
    await tenancy.run('acme', async () => {
      const query = tenancy.sql`select sku, stock from products where stock < ${2} order by sku`;
      expect(await text(query.copyTo({ header: true }))).toBe('sku,stock\nacme-000,0\nacme-001,1\n');
      expect(await text(query.copyTo({ format: 'text', delimiter: '|' }))).toBe('acme-000|0\nacme-001|1\n');
      expect(await text(tenancy.sql`select null::text -- a comment`.copyTo({ null: "it's" }))).toBe("it's\n");
      expect((await text(query.copyTo({ format: 'binary' }))).slice(0, 6)).toBe('PGCOPY');
      expect((await text(tenancy.sql`select * from products`.copyTo())).split('\n')).toHaveLength(251);
    });
  });

  test('values stand in it as literals, whatever they are', async () => {
    const values = ["it's", 'back\\slash', "\\'; select 1; --", '$1', '“é”', -3, 2.5, 10n, true, null, new Date('2024-01-02T03:04:05Z')];
    for (const setting of ['on', 'off']) {
      await tenancy.run('acme', () =>
        tenancy.transaction(async () => {
          await tenancy.sql`select set_config('standard_conforming_strings', ${setting}, true)`;
          for (const value of values) {
            const [row] = await tenancy.sql<{ v: string | null }>`select (${value})::text as v`;
            const copied = await text(tenancy.sql`select (${value})::text`.copyTo({ format: 'text', null: 'NIL' }));
            const expected = value instanceof Date ? '2024-01-02T03:04:05.000Z' : (row?.v ?? 'NIL');
            expect(copied, String(value)).toBe(`${expected.replaceAll('\\', '\\\\')}\n`);
          }
          // A minus before a negative number is no comment.
          expect(await text(tenancy.sql`select 5 -${-3} as n, ${'x'}`.copyTo())).toBe('8,x\n');
          expect(
            await text(tenancy.sql`select count(*) from products where sku = any(${['acme-000', 'acme-001', 'a"b\\c']})`.copyTo()),
          ).toBe('2\n');
          expect(await text(tenancy.sql`select ${Buffer.from('00ff5c27', 'hex')}`.copyTo())).toBe('\\x00ff5c27\n');
        }),
      );
    }
    await tenancy.run('acme', async () => {
      expect(() => tenancy.sql`select ${'a\0b'}`.copyTo()).toThrow(NotSupportedError);
      expect(() => tenancy.sql`select * from products where ${eq(products.tenantId, 'acme')}`.copyTo()).toThrow(NotSupportedError);
      expect(() => tenancy.sql`select 1`.copyTo({ format: 'xml' as never })).toThrow(ConfigurationError);
      expect(() => tenancy.sql`select 1`.copyTo({ delimiter: "'||" })).toThrow(ConfigurationError);
    });
  });

  test('it can neither read another tenant nor write or leave its parentheses', async () => {
    const placement = (await shop.control.tenant('globex')).placement!;
    // Control: the owner of the server sees both tenants there.
    await withClient(adminUrl(placement.database), async (admin) => {
      expect((await admin`select count(*)::int as n from globex.products`)[0]).toEqual({ n: 250 });
    });
    await tenancy.run('acme', async () => {
      const other = text(tenancy.sql`select * from globex.products`.copyTo());
      // Before 18 the policy is quiet: no row (see rls-policies/tenant-schema-quiet.sql).
      if ((await serverMajor()) >= 18) await expect(other).rejects.toMatchObject({ code: 'POLICY_VIOLATION' });
      else expect(await other).toBe('');
      for (const broken of [
        tenancy.sql`select 1) to stdout; select (2`,
        tenancy.sql`select 1) to program 'true' --`,
        tenancy.sql`select 1) to '/tmp/out' --`,
      ])
        await expect(text(broken.copyTo())).rejects.toBeInstanceOf(Error);
      await expect(tenancy.sql`copy products from stdin`).rejects.toMatchObject({
        code: 'NOT_SUPPORTED',
        hint: expect.stringContaining('copyTo'),
      });
      expect(await tenancy.db.$count(products)).toBe(250);
    });
  });

  test.each(['break', 'throw', 'forget', 'abort'])('%s ends it on the server and frees the lane', async (how) => {
    const stop = new AbortController();
    await tenancy
      .run('acme', async () => {
        const endless = tenancy.sql`select repeat('x', 1000), generate_series(1, 1000000000)`.copyTo({ signal: stop.signal });
        if (how === 'forget') {
          await endless[Symbol.asyncIterator]().next();
          return;
        }
        for await (const _ of endless) {
          if (how === 'break') break;
          if (how === 'throw') throw new Error('enough');
          stop.abort();
        }
      })
      .then(
        () => expect(['break', 'forget']).toContain(how),
        (error: unknown) => {
          if (how === 'throw') expect(error).toMatchObject({ message: 'enough' });
          else expect(error).toBeInstanceOf(AbortedError);
        },
      );
    expect(await tenancy.run('acme', () => tenancy.db.$count(products))).toBe(250);
    const placement = (await shop.control.tenant('acme')).placement!;
    await withClient(adminUrl(placement.database), async (admin) => {
      await expect
        .poll(async () => (await admin`select 1 from pg_stat_activity where state = 'active' and query like 'copy%'`).length)
        .toBe(0);
    });
  });

  test('inside a transaction it is part of it; stopping early costs the transaction nothing, and statements meanwhile are refused', async () => {
    await tenancy.run('acme', async () => {
      await expect(
        tenancy.transaction(async (tx) => {
          await tx.insert(products).values({ sku: 'acme-zzz', stock: 1_000 });
          expect(await text(tenancy.sql`select sku from products where stock = 1000`.copyTo())).toBe('acme-zzz\n');
          for await (const _ of tenancy.sql`select repeat('x', 1000), generate_series(1, 1000000000)`.copyTo()) {
            await expect(tx.select().from(products)).rejects.toBeInstanceOf(NotSupportedError);
            await expect(tx.transaction(async () => {})).rejects.toBeInstanceOf(NotSupportedError);
            break;
          }
          expect(await tx.$count(products)).toBe(251);
          tx.rollback();
        }),
      ).rejects.toThrow('Rollback');
    });
  });

  test('a row that fails in the middle is an error of the loop', async () => {
    await tenancy.run('acme', async () => {
      await expect(text(tenancy.sql`select 1 / (stock - 200) from products order by stock`.copyTo())).rejects.toMatchObject({
        sqlState: '22012',
      });
      expect(await tenancy.db.$count(products)).toBe(250);
    });
  });
});
