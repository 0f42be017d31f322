import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  AggregationTemporality,
  type DataPoint,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { eq, inArray } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withClient } from '../../../src/provision/admin-client.ts';
import type { StatementEvent } from '../../../src/telemetry/statement-event.ts';
import type { Tenancy } from '../../../src/tenancy.ts';
import { adminUrl } from '../../support/server.ts';
import { createShop, type Shop } from '../../support/shop/platform.ts';
import type * as schema from '../../support/shop/schema.ts';
import { products } from '../../support/shop/schema.ts';
import { letFail } from './let-fail.ts';

const spans = new InMemorySpanExporter();
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 });
const meterProvider = new MeterProvider({ readers: [reader] });
const events: StatementEvent[] = [];
const logged: unknown[] = [];
const canary = 'CANARY-4711';

let shop: Shop;
let tenancy: Tenancy<typeof schema>;

beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  shop = await createShop({
    tenants: [
      { id: 'acme', tier: 'standard' },
      { id: 'globex', tier: 'standard' },
    ],
  });
  await letFail(shop, 'acme');
  tenancy = await shop.open({
    runtime: { region: 'us-east-1', applicationName: 'a-service-whose-name-is-longer-than-postgresql-shows-it' },
    telemetry: { tracerProvider, meterProvider, tenantInMetrics: true },
    logger: {
      logQuery: (...query) => logged.push(query),
      logStatement: (event) => events.push(event),
    },
    lanes: { tenantInApplicationName: true },
  });
});
afterAll(async () => {
  await shop?.close();
  await meterProvider.shutdown();
  context.disable();
});
beforeEach(() => {
  spans.reset();
  events.length = 0;
  logged.length = 0;
});

/** Every point of one instrument, as [attributes, value]. */
async function measured(name: string): Promise<readonly (readonly [Record<string, unknown>, unknown])[]> {
  metrics.reset();
  await reader.forceFlush();
  return metrics
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .flatMap((scope) => scope.metrics)
    .filter(({ descriptor }) => descriptor.name === name)
    .flatMap(({ dataPoints }) => dataPoints as readonly DataPoint<unknown>[])
    .map(({ attributes, value }) => [attributes, value] as const);
}
const named = (name: string): ReadableSpan[] => spans.getFinishedSpans().filter((span) => span.name === name);

describe('spans', () => {
  test('one for each statement: whose it is, where, what, how many rows, under the span that is active', async () => {
    const tracer = tracerProvider.getTracer('test');
    const parent = tracer.startSpan('request');
    await context.with(trace.setSpan(context.active(), parent), () =>
      tenancy.run('acme', async () => {
        await tenancy.db.insert(products).values({ sku: 'LAMP', stock: 1 });
        await tenancy.db.select().from(products);
        await tenancy.sql`select ${1} as n`;
      }),
    );
    parent.end();
    const { placement } = await shop.control.tenant('acme');
    const [select, raw] = named('SELECT');
    expect(select!.kind).toBe(SpanKind.CLIENT);
    expect(select!.parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
    expect(select!.attributes).toEqual({
      'db.system.name': 'postgresql',
      'db.namespace': `${placement!.database}|acme`,
      'db.operation.name': 'SELECT',
      'db.response.returned_rows': 1,
      'tenancy.rows': 1,
      'tenancy.tenant.id': 'acme',
      'tenancy.tier': 'standard',
      'tenancy.isolation': 'schema',
      'tenancy.cluster.id': 'us-east-1',
      'tenancy.database': placement!.database,
      'tenancy.schema': 'acme',
      'tenancy.statement.fingerprint': expect.stringMatching(/^[0-9a-f]{16}$/),
      'tenancy.statement.raw': false,
      'tenancy.statement.in_transaction': false,
    });
    expect(raw!.attributes).toMatchObject({ 'tenancy.statement.raw': true });
    expect(named('INSERT')[0]!.attributes).toMatchObject({ 'tenancy.rows': 1, 'db.response.returned_rows': 0 });
  });

  test('a transaction’s is the parent of its statements’, a savepoint’s lies between', async () => {
    await tenancy.run('acme', () =>
      tenancy.transaction(async (tx) => {
        await tx.select().from(products);
        await tx.transaction(async (inner) => {
          await inner.delete(products).where(eq(products.sku, 'NONE'));
        });
      }),
    );
    const [transaction] = named('transaction');
    const [savepoint] = named('savepoint');
    expect(transaction!.attributes).toMatchObject({ 'tenancy.tenant.id': 'acme' });
    expect(named('SELECT')[0]!.parentSpanContext?.spanId).toBe(transaction!.spanContext().spanId);
    expect(savepoint!.parentSpanContext?.spanId).toBe(transaction!.spanContext().spanId);
    expect(named('DELETE')[0]!.parentSpanContext?.spanId).toBe(savepoint!.spanContext().spanId);
    expect(named('DELETE')[0]!.attributes).toMatchObject({ 'tenancy.statement.in_transaction': true });
  });

  test('a failure is named by SQLSTATE or code, and nothing else of it is told', async () => {
    await tenancy.run('acme', async () => {
      await expect(tenancy.sql`select ${canary}::int`).rejects.toMatchObject({ sqlState: '22P02' });
      await expect(tenancy.sql`select pg_sleep(30)`.signal(AbortSignal.timeout(50))).rejects.toMatchObject({ code: 'ABORTED' });
      await expect(
        tenancy.transaction(() => {
          throw new Error(canary);
        }),
      ).rejects.toThrow(canary);
    });
    const [cast, slept] = named('SELECT');
    expect(cast!.status).toEqual({ code: SpanStatusCode.ERROR });
    expect(cast!.attributes).toMatchObject({ 'error.type': '22P02', 'db.response.status_code': '22P02' });
    expect(slept!.attributes).toMatchObject({ 'error.type': 'ABORTED' });
    expect(named('transaction')[0]!.attributes).toMatchObject({ 'error.type': '_OTHER' });
    expect(spans.getFinishedSpans().flatMap(({ events: of }) => of)).toEqual([]);
    expect(events.map(({ outcome, sqlState, errorCode, rows }) => [outcome, sqlState, errorCode, rows])).toEqual([
      ['failed', '22P02', 'QUERY_FAILED', undefined],
      ['aborted', undefined, 'ABORTED', undefined],
    ]);
  });
});

describe('metrics and logs', () => {
  test('statements, durations, refusals, retries and lanes are counted', async () => {
    await tenancy.run('acme', () => tenancy.db.select().from(products), { requestId: 'r-1' });
    expect(events[0]).toMatchObject({ tenantId: 'acme', requestId: 'r-1', operation: 'SELECT', outcome: 'ok', raw: false, schema: 'acme' });
    expect(events[0]!.fingerprint).toBe(named('SELECT')[0]!.attributes['tenancy.statement.fingerprint']);
    await tenancy.run('acme', () => tenancy.run('globex', () => 1).catch(() => {}));
    let failures = 1;
    await tenancy.run('acme', () =>
      tenancy.transaction(
        async () => {
          if (failures-- > 0) await tenancy.sql`select reference.fail('40001')`;
        },
        { retry: { attempts: 2, baseDelayMs: 0 } },
      ),
    );
    const statements = await measured('tenancy.statements');
    expect(statements.map(([attributes]) => attributes)).toContainEqual({
      'db.system.name': 'postgresql',
      'db.operation.name': 'SELECT',
      'tenancy.tier': 'standard',
      'tenancy.cluster.id': 'us-east-1',
      'tenancy.tenant.id': 'acme',
    });
    expect((await measured('db.client.operation.duration')).length).toBe(statements.length);
    expect(await measured('tenancy.refusals')).toEqual([[{ 'tenancy.action': 'scope.nested', 'tenancy.tenant.id': 'acme' }, 1]]);
    expect(await measured('tenancy.retries')).toEqual([[{ 'tenancy.retry.reason': 'serialization_failure' }, 1]]);
    const { placement } = await shop.control.tenant('acme');
    const pool = `us-east-1/${placement!.database}`;
    const lanes = new Map((await measured('db.client.connection.count')).map(([of, value]) => [of['db.client.connection.state'], value]));
    expect(lanes.get('used')).toBe(0);
    expect(lanes.get('idle')).toBeGreaterThan(0);
    expect(await measured('db.client.connection.pending_requests')).toEqual([[{ 'db.client.connection.pool.name': pool }, 0]]);
    expect((await measured('db.client.connection.wait_time')).map(([of]) => of)).toEqual([{ 'db.client.connection.pool.name': pool }]);
  });

  test('a lane in use and a lane that dies are seen', async () => {
    await tenancy.run('acme', async () => {
      await tenancy
        .transaction(async () => {
          const [row] = await tenancy.sql<{ pid: number }>`select pg_backend_pid() as pid`;
          const used = (await measured('db.client.connection.count')).find(([of]) => of['db.client.connection.state'] === 'used');
          expect(used![1]).toBe(1);
          await withClient(adminUrl(), async (admin) => {
            await admin`select pg_terminate_backend(${row!.pid})`;
          });
          await tenancy.sql`select 1`.catch(() => {});
        })
        .catch(() => {});
    });
    await expect.poll(async () => (await measured('tenancy.lane.losses')).map(([, value]) => value)).toEqual([1]);
  });

  test('no parameter, plaintext or key of a query is anywhere in them', async () => {
    await tenancy.run('acme', async () => {
      await tenancy.db.insert(products).values({ sku: canary, stock: 1, supplierIban: `${canary}-IBAN` });
      await tenancy.db
        .select()
        .from(products)
        .where(inArray(products.sku, [canary]));
      await tenancy.db
        .insert(products)
        .values({ sku: canary, stock: 1 })
        .catch(() => {});
      await tenancy.sql`select * from products where sku = ${canary}`;
      for await (const _ of tenancy.sql`select * from products where sku = ${canary}`.stream());
      for await (const _ of tenancy.sql`select sku from products where sku = ${canary}`.copyTo());
      await tenancy.transaction((tx) => tx.delete(products).where(eq(products.sku, canary)));
    });
    expect(named('COPY')).toHaveLength(1);
    metrics.reset();
    await reader.forceFlush();
    const told = JSON.stringify([
      spans.getFinishedSpans().map(({ name, attributes, status, events: of }) => [name, attributes, status, of]),
      metrics.getMetrics().map(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics)),
      events,
      logged,
    ]);
    expect(told).not.toContain(canary);
    // Controls: the texts are there, and the canary would be found.
    expect(told).toContain('where sku = $1');
    expect(JSON.stringify([...logged, canary])).toContain(canary);
    expect(events.length).toBe(logged.length);
  });

  test('loggers and providers that throw change no answer', async () => {
    const broken = () => {
      throw new Error('broken');
    };
    const span = { setAttributes: broken, setStatus: broken, updateName: broken, end: broken };
    const instrument = { add: broken, record: broken, addCallback: broken, removeCallback: broken };
    const service = await shop.open({
      logger: { logQuery: broken, logStatement: async () => broken() },
      telemetry: {
        tracerProvider: { getTracer: () => ({ startSpan: () => span, startActiveSpan: (_name, _options, callback) => callback(span) }) },
        meterProvider: {
          getMeter: () => ({
            createCounter: () => instrument,
            createHistogram: () => instrument,
            createObservableUpDownCounter: () => instrument,
          }),
        },
      },
    });
    await service.run('acme', async () => {
      expect(await service.sql`select 1 as n`).toEqual([{ n: 1 }]);
      expect(await service.transaction((tx) => tx.$count(products, eq(products.sku, 'NONE')))).toBe(0);
      await expect(service.sql`select 1 / 0`).rejects.toMatchObject({ sqlState: '22012' });
    });
  });

  test('application_name names the tenant while its transaction lasts, and no longer', async () => {
    const shown = () =>
      tenancy.sql<{ name: string; pid: number }>`select current_setting('application_name') as name, pg_backend_pid() as pid`;
    const seen = new Map<string, { name: string; pid: number }>();
    for (const id of ['acme', 'globex'])
      for (const ambient of [false, true])
        seen.set(`${id} ${ambient}`, (await tenancy.run(id, async () => (ambient ? await tenancy.transaction(shown) : await shown())))[0]!);
    for (const [who, { name }] of seen) {
      expect(name).toMatch(new RegExp(`^a-service-whose-name.*/${who.split(' ')[0]}$`));
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
    }
    await withClient(adminUrl(), async (admin) => {
      const rows = await admin<
        { name: string }[]
      >`select application_name as name from pg_stat_activity where pid in ${admin([...seen.values()].map(({ pid }) => pid))}`;
      expect(rows.length).toBeGreaterThan(0);
      for (const { name } of rows) expect(name).not.toMatch(/acme|globex/);
    });
    // Control: a service that does not ask for it names no tenant.
    const [plain] = await shop.tenancy.run(
      'acme',
      () => shop.tenancy.sql<{ name: string }>`select current_setting('application_name') as name`,
    );
    expect(plain!.name).toBe('tenancy');
  });
});
