import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  AbortedError,
  ConfigurationError,
  NotSupportedError,
  QueryFailedError,
  TransactionConflictError,
  TransactionOverError,
} from '../../../src/errors.ts';
import { withClient } from '../../../src/provision/admin-client.ts';
import { createShop, type Shop } from '../../support/shop/platform.ts';
import { products } from '../../support/shop/schema.ts';
import { letFail } from './let-fail.ts';

let shop: Shop;
beforeAll(async () => {
  shop = await createShop({ tenants: [{ id: 'acme', tier: 'standard' }] });
  await letFail(shop, 'acme');
  await shop.tenancy.run('acme', () => shop.tenancy.db.insert(products).values(['A', 'B', 'C', 'D'].map((sku) => ({ sku, stock: 0 }))));
});
afterAll(async () => {
  await shop?.close();
});

/** Resolves when it was called so many times. */
function barrier(count: number): () => Promise<void> {
  let waiting = 0;
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return async () => {
    if (++waiting >= count) open();
    await opened;
  };
}

const stockOf = async (sku: string): Promise<number> =>
  (await shop.tenancy.db.select({ stock: products.stock }).from(products).where(eq(products.sku, sku)))[0]!.stock;
const pid = async (): Promise<number> => (await shop.tenancy.sql<{ pid: number }>`select pg_backend_pid() as pid`)[0]!.pid;

describe('tenancy.transaction', () => {
  test('takes isolation level and access mode, and what is ambient joins it', async () => {
    const { tenancy } = shop;
    await tenancy.run('acme', async () => {
      const seen = await tenancy
        .transaction(
          async (tx, attempt) => {
            expect(attempt).toBe(1);
            const [inner] = await tenancy.sql<{ level: string; mode: string; pid: number }>`select
            current_setting('transaction_isolation') as level, current_setting('transaction_read_only') as mode, pg_backend_pid() as pid`;
            const rows = await tx.execute<{ pid: number }>('select pg_backend_pid() as pid');
            expect(rows[0]!.pid).toBe(inner!.pid);
            await expect(tenancy.db.insert(products).values({ sku: 'X', stock: 1 })).rejects.toMatchObject({ sqlState: '25006' });
            return inner;
          },
          { isolationLevel: 'repeatable read', accessMode: 'read only' },
        )
        .catch((error: unknown) => error);
      // The caught failure took the whole with it.
      expect(seen).toMatchObject({ code: 'TRANSACTION_ABORTED' });
      const level = await tenancy.transaction(
        async () => await tenancy.sql<{ level: string }>`select current_setting('transaction_isolation') as level`,
        { isolationLevel: 'serializable' },
      );
      expect(level[0]).toEqual({ level: 'serializable' });
    });
  });

  test('inside another it is a savepoint, which takes a signal and nothing else', async () => {
    const { tenancy } = shop;
    await tenancy.run('acme', () =>
      tenancy.transaction(async (tx) => {
        await tx.update(products).set({ stock: 7 }).where(eq(products.sku, 'D'));
        const stop = new AbortController();
        const aborted = tenancy.transaction(
          async (inner) => {
            await inner.update(products).set({ stock: 8 }).where(eq(products.sku, 'D'));
            setTimeout(() => stop.abort(), 50);
            await tenancy.sql`select pg_sleep(30)`;
          },
          { signal: stop.signal },
        );
        await expect(aborted).rejects.toBeInstanceOf(AbortedError);
        expect(await stockOf('D')).toBe(7);
        for (const options of [{ isolationLevel: 'serializable' }, { accessMode: 'read only' }, { retry: { attempts: 2 } }] as const)
          await expect(tenancy.transaction(async () => {}, options)).rejects.toBeInstanceOf(NotSupportedError);
      }),
    );
    expect(await tenancy.run('acme', () => stockOf('D'))).toBe(7);
  });
});

describe('signals', () => {
  test('a raw statement is cancelled on the server, and the lane serves on', async () => {
    const { tenancy } = shop;
    await tenancy.run('acme', async () => {
      for (const query of [
        () => tenancy.sql`select pg_sleep(30)`.signal(AbortSignal.timeout(50)),
        () => tenancy.sql`select pg_sleep(30)`.execute({ signal: AbortSignal.timeout(50) }),
        () => tenancy.sql`select 1`.signal(AbortSignal.abort()),
      ])
        await expect(query()).rejects.toBeInstanceOf(AbortedError);
      expect(
        await withClient(
          shop.adminUrl,
          async (admin) =>
            await admin`select pid from pg_stat_activity where state = 'active' and query like '%pg_sleep(30)%' and pid <> pg_backend_pid()`,
        ),
      ).toEqual([]);
      expect(await tenancy.sql`select 1 as n`).toEqual([{ n: 1 }]);
    });
  });

  test('a transaction is rolled back; what its callback still does is refused', async () => {
    const { tenancy } = shop;
    await tenancy.run('acme', async () => {
      const stop = new AbortController();
      let late: Promise<unknown> | undefined;
      const running = tenancy.transaction(
        async (tx) => {
          await tx.update(products).set({ stock: 99 }).where(eq(products.sku, 'C'));
          setTimeout(() => stop.abort(), 50);
          late = tenancy.sql`select pg_sleep(30)`.then(
            () => undefined,
            async (error: unknown) => [
              error,
              await tx
                .select()
                .from(products)
                .catch((refusal: unknown) => refusal),
            ],
          );
          await late;
        },
        { signal: stop.signal },
      );
      await expect(running).rejects.toBeInstanceOf(AbortedError);
      const [first, second] = (await late) as unknown[];
      expect(first).toBeInstanceOf(AbortedError);
      expect(second).toBeInstanceOf(AbortedError);
      expect(await stockOf('C')).toBe(0);
    });
  });

  test('a scope’s signal reaches its statements, builders and transactions included, and nobody else’s', async () => {
    const { tenancy } = shop;
    const stop = new AbortController();
    const other = tenancy.run('acme', () => tenancy.sql`select pg_sleep(0.5), 1 as n`);
    const outcome = await tenancy.run(
      'acme',
      async () => {
        const running = [
          tenancy.sql`select pg_sleep(30)`,
          tenancy.db
            .select()
            .from(products)
            .where(eq(products.sku, tenancy.sql<string>`(select 'A' from pg_sleep(30))` as never)),
          tenancy.transaction(async (tx) => {
            await tx.update(products).set({ stock: 5 }).where(eq(products.sku, 'B'));
            await tenancy.sql`select pg_sleep(30)`;
          }),
        ].map((work) => Promise.resolve(work).catch((error: unknown) => error));
        setTimeout(() => stop.abort(), 200);
        const ended = await Promise.all(running);
        return [...ended, await Promise.resolve(tenancy.db.select().from(products)).catch((error: unknown) => error)];
      },
      { signal: stop.signal },
    );
    for (const error of outcome) expect(error).toBeInstanceOf(AbortedError);
    expect((await other)[0]).toMatchObject({ n: 1 });
    expect(await tenancy.run('acme', () => stockOf('B'))).toBe(0);
  });

  test('inside the same tenant’s scope it ends what its own callback started, in the same transaction', async () => {
    const { tenancy } = shop;
    await tenancy.run('acme', async () => {
      await tenancy.transaction(async () => {
        const outer = await pid();
        const stop = new AbortController();
        await tenancy.run(
          'acme',
          async () => {
            expect(await pid()).toBe(outer);
            stop.abort();
            await expect(stockOf('A')).rejects.toBeInstanceOf(AbortedError);
          },
          { signal: stop.signal },
        );
        expect(await stockOf('A')).toBe(0);
      });
      await expect(tenancy.run('acme', () => 1, { signal: AbortSignal.abort() })).rejects.toBeInstanceOf(AbortedError);
    });
  });
});

describe('retries', () => {
  const delays: number[] = [];
  const random = (): number => {
    delays.push(1);
    return 0.1;
  };

  /** Two transactions that lock A and B crosswise: PostgreSQL ends one of them. */
  async function crossing(attempts: number): Promise<{ readonly outcomes: PromiseSettledResult<unknown>[]; readonly runs: number[] }> {
    const { tenancy } = shop;
    const meet = barrier(2);
    const runs = [0, 0];
    const outcomes = await Promise.allSettled(
      [
        ['A', 'B'],
        ['B', 'A'],
      ].map(([first, second], index) =>
        tenancy.run('acme', () =>
          tenancy.transaction(
            async (tx, attempt) => {
              runs[index] = attempt;
              const bump = async (sku: string) => tx.update(products).set({ stock: attempt }).where(eq(products.sku, sku));
              await bump(first!);
              if (attempt === 1) await meet();
              await bump(second!);
            },
            attempts === 0 ? {} : { retry: { attempts, baseDelayMs: 1, random } },
          ),
        ),
      ),
    );
    return { outcomes, runs };
  }

  test('a deadlock ends one transaction, and with retry both are kept', async () => {
    // Control: without retry one of them fails.
    const plain = await crossing(0);
    const failed = plain.outcomes.filter(({ status }) => status === 'rejected');
    expect(failed).toHaveLength(1);
    expect((failed[0] as PromiseRejectedResult).reason).toMatchObject({ sqlState: '40P01' });
    delays.length = 0;
    const { outcomes, runs } = await crossing(3);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect([...runs].sort()).toEqual([1, 2]);
    expect(delays).toHaveLength(1);
  });

  test('write skew under serializable is resolved by running one of them again', async () => {
    const { tenancy } = shop;
    const meet = barrier(2);
    let attempts = 0;
    await Promise.all(
      ['A', 'B'].map((own) =>
        tenancy.run('acme', () =>
          tenancy.transaction(
            async (tx, attempt) => {
              attempts++;
              const rows = await tx.select({ stock: products.stock }).from(products);
              if (attempt === 1) await meet();
              await tx
                .update(products)
                .set({ stock: rows.reduce((sum, { stock }) => sum + stock, 1) })
                .where(eq(products.sku, own));
            },
            { isolationLevel: 'serializable', retry: { attempts: 5, baseDelayMs: 1 } },
          ),
        ),
      ),
    );
    expect(attempts).toBeGreaterThanOrEqual(3);
  });

  test('the last error is thrown with how often it ran; a failure that was caught inside counts too', async () => {
    const { tenancy } = shop;
    await tenancy.run('acme', async () => {
      let calls = 0;
      const conflict = async () => {
        calls++;
        await tenancy.sql`select reference.fail('40001')`;
      };
      const error = await tenancy.transaction(conflict, { retry: { attempts: 3, baseDelayMs: 1 } }).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(TransactionConflictError);
      expect(error).toBeInstanceOf(QueryFailedError);
      expect(error).toMatchObject({ attempts: 3, sqlState: '40001', tenantId: 'acme', retryable: true });
      expect(calls).toBe(3);
      calls = 0;
      await expect(tenancy.transaction(() => conflict().catch(() => {}), { retry: { attempts: 2, baseDelayMs: 1 } })).rejects.toMatchObject(
        {
          attempts: 2,
          cause: { code: 'TRANSACTION_ABORTED' },
        },
      );
      expect(calls).toBe(2);
    });
  });

  test('other errors end it at once, and so does the signal while it waits', async () => {
    const { tenancy } = shop;
    await tenancy.run('acme', async () => {
      let calls = 0;
      const run = (text: string, signal?: AbortSignal) =>
        tenancy.transaction(
          async () => {
            calls++;
            await tenancy.sql`select reference.fail(${text})`;
          },
          { signal, retry: { attempts: 9, baseDelayMs: 60_000, maxDelayMs: 60_000, random: () => 1 } },
        );
      await expect(run('23505')).rejects.toMatchObject({ sqlState: '23505' });
      expect(calls).toBe(1);
      await expect(run('40001', AbortSignal.timeout(300))).rejects.toBeInstanceOf(AbortedError);
      expect(calls).toBe(2);
      for (const attempts of [0, 1.5, 101, Number.NaN])
        await expect(tenancy.transaction(async () => {}, { retry: { attempts } })).rejects.toBeInstanceOf(ConfigurationError);
    });
  });

  test('each attempt is a transaction of its own: the one before is over and undone', async () => {
    const { tenancy } = shop;
    await tenancy.run('acme', async () => {
      let first: Parameters<Parameters<typeof tenancy.transaction>[0]>[0] | undefined;
      await tenancy.transaction(
        async (tx, attempt) => {
          await tx.insert(products).values({ sku: `try-${attempt}`, stock: 0 });
          if (attempt === 2) {
            await expect(first!.select().from(products)).rejects.toBeInstanceOf(TransactionOverError);
            return;
          }
          first = tx;
          await tenancy.sql`select reference.fail('40001')`;
        },
        { retry: { attempts: 2, baseDelayMs: 0 } },
      );
      const rows = await tenancy.sql`select sku from products where sku like 'try-%'`;
      expect(rows).toEqual([{ sku: 'try-2' }]);
    });
  });
});
