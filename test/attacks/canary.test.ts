import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { pgTable, text } from 'drizzle-orm/pg-core';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AuditEvent } from '../../src/audit/audit-event.ts';
import { dataKeyFrom } from '../../src/crypto/data-key.ts';
import { LocalTenantKeys } from '../../src/crypto/local-tenant-keys.ts';
import { withClient } from '../../src/provision/admin-client.ts';
import { type EmbeddedCluster, startEmbeddedCluster } from '../../src/testing/embedded-cluster.ts';
import { createTestPlatform } from '../../src/testing/test-platform.ts';
import { canaryTables, people } from '../support/secrets/canary-schema.ts';
import type { CanaryValues } from '../support/secrets/canary-values.ts';
import { hearPrints } from '../support/secrets/hear-prints.ts';
import { chainKeyBytes, kekBytes, keyFileOf, tenantKeyBytes } from '../support/secrets/known-keys.ts';
import { type CanaryPlatform, provoke } from '../support/secrets/provoke.ts';
import { filesBelow, serverDump } from '../support/secrets/search-server.ts';
import { formsIn, type SecretForm, secretForms } from '../support/secrets/secret-forms.ts';
import { shown } from '../support/secrets/shown.ts';
import { useColumns } from '../support/secrets/use-columns.ts';

// A server that writes down all it is told: every statement with its parameters, every row into its log of changes.
const settings = {
  log_statement: 'all',
  log_parameter_max_length: -1,
  log_parameter_max_length_on_error: -1,
  log_min_duration_statement: 0,
  log_min_error_statement: 'debug5',
  log_error_verbosity: 'verbose',
  track_activity_query_size: 65_536,
  wal_level: 'logical',
  wal_keep_size: '1GB',
  full_page_writes: true,
};
const values: CanaryValues = {
  text: `CANARY${randomBytes(12).toString('hex').toUpperCase()}`,
  number: randomBytes(4).readUInt32BE() + randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  date: new Date(randomBytes(6).readUIntBE(0, 6) % 8e15),
  plain: `CONTROL${randomBytes(12).toString('hex').toUpperCase()}`,
  plainBytes: randomBytes(32),
};
const spans = new InMemorySpanExporter();
const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
const metrics = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter: metrics, exportIntervalMillis: 3_600_000 });
const meterProvider = new MeterProvider({ readers: [reader] });
const logged: unknown[] = [];
const printed: Buffer[] = [];
const audited: AuditEvent[] = [];

let folder: string;
let cluster: EmbeddedCluster;
let platform: CanaryPlatform;
let service: CanaryPlatform['tenancy'];
let errors: ReadonlyMap<string, unknown>;
let secrets: readonly SecretForm[];
const controls = [...secretForms('control', values.plain), ...secretForms('control bytes', values.plainBytes)];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-canary-'));
  await writeFile(join(folder, '0001_people.sql'), canaryTables);
  cluster = await startEmbeddedCluster({ settings });
  const restore = hearPrints(printed);
  try {
    platform = await createTestPlatform({
      adminUrl: cluster.adminUrl,
      schema: { people },
      migrations: { directory: folder },
      tenants: [
        { id: 'acme', tier: 'standard' },
        { id: 'globex', tier: 'enterprise' },
      ],
    });
    service = await platform.open({
      telemetry: { tracerProvider, meterProvider, tenantInMetrics: true },
      logger: { logQuery: (...query) => logged.push(query), logStatement: (event) => logged.push(event) },
      audit: { foldMs: 0, sinks: [{ name: 'kept', write: async (events) => void audited.push(...events), close: async () => {} }] },
      lanes: { tenantInApplicationName: true },
    });
    for (const tenant of ['acme', 'globex']) {
      const read = await useColumns(service, tenant, values);
      expect(inspect(read, { depth: null })).toContain(values.text);
    }
    errors = await provoke(platform, service, values);
    await service.acrossTenants({ actor: values.plain, reason: 'control', tenants: 'all' }, () => service.db.$count(people));
    tracerProvider
      .getTracer('test')
      .startSpan('control', { attributes: { control: values.plain } })
      .end();
    console.log(values.plain);
  } finally {
    restore();
  }
  await reader.forceFlush();
  await withClient(cluster.adminUrl, async (sql) => {
    await sql.unsafe('checkpoint');
  });
  secrets = await everySecret();
}, 300_000);
afterAll(async () => {
  await platform?.close();
  await cluster?.close();
  await meterProvider.shutdown();
  await rm(folder, { recursive: true, force: true });
});

/** The plaintexts, and every key that opens them, in every form. */
async function everySecret(): Promise<SecretForm[]> {
  const [file] = platform.keyManagers().map(keyFileOf);
  const keys = new Map(await kekBytes(file!));
  for (const tenant of ['acme', 'globex']) {
    const { data, index, master } = await tenantKeyBytes(platform, tenant);
    keys.set(`the data key of ${tenant}`, data).set(`the blind-index secret of ${tenant}`, index).set('the context master', master.bytes);
  }
  for (const [n, bytes] of (await chainKeyBytes(platform)).entries()) keys.set(`the key of audit chain ${n}`, bytes);
  const double = Buffer.alloc(8);
  double.writeDoubleBE(values.number);
  const time = Buffer.alloc(8);
  time.writeBigInt64BE(BigInt(values.date.getTime()));
  return [
    ...secretForms('canary', values.text),
    ...secretForms('number', String(values.number)),
    ...secretForms('number as double', double),
    ...secretForms('number as double, turned round', Buffer.from(double).reverse()),
    ...secretForms('date', values.date.toISOString().slice(0, -1)),
    ...secretForms('date in milliseconds', String(values.date.getTime())),
    ...secretForms('date in 8 bytes', time),
    ...[...keys].flatMap(([name, bytes]) => secretForms(name, bytes)),
  ];
}

interface Found {
  readonly secrets: readonly string[];
  readonly controls: readonly string[];
}

async function search(place: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<Found> {
  const found = { secrets: new Set<string>(), controls: new Set<string>() };
  for await (const bytes of place) {
    for (const name of formsIn(bytes, secrets)) found.secrets.add(name);
    for (const name of formsIn(bytes, controls)) found.controls.add(name);
  }
  return { secrets: [...found.secrets], controls: [...found.controls] };
}

const data = (): string => join(cluster.directory, 'data');
const json = (value: unknown): Buffer[] => [Buffer.from(JSON.stringify(value))];

test.each<[string, () => AsyncIterable<Buffer> | Iterable<Buffer>, string[]]>([
  ['the data directory', () => filesBelow(data(), (name) => name === 'pg_wal'), ['control as text', 'control bytes as bytes']],
  ['the log of changes', () => filesBelow(join(data(), 'pg_wal')), ['control as text', 'control bytes as bytes']],
  ['every row of every table, statistics too', () => serverDump(cluster.adminUrl), ['control as text', 'control bytes as hex']],
  [
    'the server’s log, with parameters',
    () => filesBelow(cluster.directory, (name) => name !== 'server.log'),
    ['control as text', 'control bytes as hex'],
  ],
  ['statements and their ends, as the logger hears of them', () => json(logged), ['control as text']],
  [
    'spans',
    () => json(spans.getFinishedSpans().map(({ name, attributes, status, events, links }) => [name, attributes, status, events, links])),
    ['control as text'],
  ],
  ['audit entries, as a sink keeps them', () => json(audited), ['control as text']],
  ['what is printed', () => printed, ['control as text']],
])('%s: no canary and no key, and the controls', async (_, place, expected) => {
  const found = await search(place());
  expect(found.secrets).toEqual([]);
  expect(found.controls).toEqual(expect.arrayContaining(expected));
});

test('the audit log', async () => {
  const found = await search(json(await platform.control.auditEntries({ limit: 1_000 })));
  expect(found.secrets).toEqual([]);
  expect(found.controls).toContain('control as text');
});

test('measurements', async () => {
  const told = metrics.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics);
  expect((await search(json(told))).secrets).toEqual([]);
  expect(JSON.stringify(told)).toContain('acme');
});

test('errors, with their causes, as text, inspected and as JSON', async () => {
  for (const [what, error] of errors) {
    const found = await search(shown(error));
    expect(found.secrets, what).toEqual([]);
    expect(found.controls, what).toEqual([]);
  }
  // Control: stock drizzle's own shows the parameters in each of them.
  const client = postgres(cluster.adminUrl, { max: 1 });
  const error: unknown = await drizzle(client)
    .insert(pgTable('people', { plain: text('plain') }))
    .values({ plain: values.plain })
    .catch((caught: unknown) => caught);
  await client.end();
  for (const told of shown(error)) expect(formsIn(told, controls)).toContain('control as text');
});

test('what a service holds, inspected and as JSON', async () => {
  const { data: dataKey, index } = await tenantKeyBytes(platform, 'acme');
  const insert = () => service.db.insert(people).values({ id: 20, name: values.text, plain: values.plain });
  const held = {
    service,
    db: service.db,
    sql: service.sql,
    transaction: service.transaction,
    people,
    columns: Object.values(people),
    managers: platform.keyManagers(),
    control: platform.control,
    keys: new LocalTenantKeys({
      tenantId: 'acme',
      currentVersion: 1,
      dataKeys: new Map([[1, dataKeyFrom(dataKey)]]),
      indexSecret: dataKeyFrom(index),
    }),
    tenant: await service.run('acme', () => service.current()),
    ...(await service.run('acme', () => ({ query: insert().toSQL(), prepared: insert().prepare('held') }))),
  };
  for (const [what, value] of Object.entries(held)) {
    const found = await search(shown(value));
    expect(found.secrets, what).toEqual([]);
    // What its author put into it, but for what is encrypted.
    if (what === 'query') expect(found.controls).toContain('control as text');
  }
  // Control: drizzle's builder is its author's own, and shows all that was put into it.
  const builder = await search(await service.run('acme', () => shown(insert())));
  expect([...builder.secrets, ...builder.controls]).toEqual(['canary as text', 'control as text']);
});
