import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createShop, type Shop } from '../support/shop/platform.ts';
import { products } from '../support/shop/schema.ts';

/** Node carries a scope along with callbacks. Work that was bound under one tenant and runs later, elsewhere, is that tenant's or nobody's. */
describe('work that Node carries out of its scope', () => {
  let shop: Shop;
  beforeAll(async () => {
    shop = await createShop({
      tenants: [
        { id: 'acme', tier: 'standard' },
        { id: 'globex', tier: 'standard' },
      ],
    });
    for (const id of ['acme', 'globex'])
      await shop.tenancy.run(id, () => shop.tenancy.db.insert(products).values({ sku: `${id}-secret`, stock: 1 }));
  });
  afterAll(async () => {
    await shop?.close();
  });

  type Work = () => Promise<string>;
  /** Ways to keep a piece of work for later: each is made under one tenant and answers what runs it. */
  const carriers: Readonly<Record<string, (work: Work) => Work>> = {
    'AsyncResource.bind': (work) => AsyncResource.bind(work),
    'AsyncLocalStorage.bind': (work) => AsyncLocalStorage.bind(work),
    'a snapshot': (work) => {
      const snapshot = AsyncLocalStorage.snapshot();
      return () => snapshot(work) as Promise<string>;
    },
    'a resource': (work) => {
      const resource = new AsyncResource('carried');
      return () => resource.runInAsyncScope(work) as Promise<string>;
    },
    'a promise’s then': (work) => {
      let go = (): void => {};
      const gate = new Promise<void>((resolve) => {
        go = resolve;
      });
      const done = gate.then(work);
      done.catch(() => {});
      return () => {
        go();
        return done;
      };
    },
    'a timer': (work) => {
      let answer: (value: Promise<string>) => void;
      const done = new Promise<string>((resolve) => {
        answer = resolve;
      });
      const timer = setInterval(() => {
        if (!released) return;
        clearInterval(timer);
        answer(work());
      }, 5);
      let released = false;
      return () => {
        released = true;
        return done;
      };
    },
    'a message port': (work) => {
      const { port1, port2 } = new MessageChannel();
      const done = new Promise<string>((resolve, reject) => {
        port2.once('message', () => {
          work().then(resolve, reject);
          port1.close();
        });
      });
      done.catch(() => {});
      return () => {
        port1.postMessage(1);
        return done;
      };
    },
    'an async iterator': (work) => {
      const iterator = (async function* () {
        yield 'begun';
        yield await work();
      })();
      const begun = iterator.next();
      return async () => {
        await begun;
        return String((await iterator.next()).value);
      };
    },
    'an event listener': (work) => {
      const emitter = new EventEmitter();
      let done: Promise<string> | undefined;
      emitter.on('go', () => {
        done = work();
      });
      return async () => {
        emitter.emit('go');
        return await done!;
      };
    },
  };
  const read: Work = async () =>
    JSON.stringify(await shop.tenancy.db.select({ sku: products.sku }).from(products)) +
    JSON.stringify(await shop.tenancy.sql`select sku from products`);

  test.each(Object.keys(carriers))('%s: run after its scope ended, under another tenant, it reads nothing of its own', async (name) => {
    const carried = await shop.tenancy.run('acme', () => ({ run: carriers[name]!(read) }));
    const answer = await shop.tenancy.run('globex', async () => {
      const met = await carried.run().catch((error: unknown) => (error as Error).name);
      // And the scope in which it ran goes on as it was.
      expect(shop.tenancy.current().id).toBe('globex');
      expect(await read()).not.toContain('acme');
      return met;
    });
    // The carrier has the ended scope, or none of its own and then runs as the tenant that runs it.
    expect(answer).toMatch(/^(?:NoTenant|WrongTenant)Error$|globex/);
    expect(answer).not.toContain('acme');
  });

  test.each(Object.keys(carriers))(
    '%s: control: while its scope is open, it is its own tenant’s work, and a plain variable is not',
    async (name) => {
      let current = '';
      const answers = await shop.tenancy.run('acme', async () => {
        current = 'acme';
        const carried = carriers[name]!(async () => `${await read()} ${current}`);
        current = 'globex';
        return await carried();
      });
      expect(answers).toContain('acme-secret');
      expect(answers).not.toContain('globex-secret');
      expect(answers.endsWith('globex')).toBe(true);
    },
  );

  test('leaving or replacing other storages, or all of them, opens nothing', async () => {
    const other = new AsyncLocalStorage<unknown>();
    await shop.tenancy.run('acme', async () => {
      other.enterWith({ tenant: { id: 'globex' } });
      expect(await read()).not.toContain('globex');
      expect(await other.exit(read)).not.toContain('globex');
      expect(await other.run({ tenant: { id: 'globex' } }, read)).not.toContain('globex');
    });
    const outside = AsyncLocalStorage.snapshot();
    const error: unknown = await shop.tenancy.run('acme', () => outside(read)).catch((reason: unknown) => reason);
    expect((error as Error).name).toBe('NoTenantError');
  });

  test('a worker thread begins without a scope', async () => {
    const seen = await shop.tenancy.run(
      'acme',
      async () =>
        await new Promise((resolve, reject) => {
          const worker = new Worker(
            `const { AsyncLocalStorage } = require('node:async_hooks'); const { parentPort, workerData } = require('node:worker_threads');
             parentPort.postMessage([new AsyncLocalStorage().getStore() === undefined, workerData]);`,
            { eval: true, workerData: shop.tenancy.current().id },
          );
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
    );
    // Control: what is handed over arrives.
    expect(seen).toEqual([true, 'acme']);
  });
});
