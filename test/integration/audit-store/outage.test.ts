import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AuditLog } from '../../../src/audit-store/audit-log.ts';
import { AuditVerifier } from '../../../src/audit-store/audit-verifier.ts';
import { FileAnchorSink } from '../../../src/audit-store/file-anchor-sink.ts';
import { readAnchors } from '../../../src/audit-store/read-anchors.ts';
import { serviceAuditor } from '../../../src/audit-store/service-auditor.ts';
import { CatalogClient } from '../../../src/catalog/catalog-client.ts';
import { AuditUnavailableError, ConfigurationError } from '../../../src/errors.ts';
import { eventually } from '../../support/processes.ts';
import { startTcpProxy, type TcpProxy } from '../../support/tcp-proxy.ts';
import { AuditWorld } from './audit-world.ts';

let world: AuditWorld;
beforeAll(async () => {
  world = await AuditWorld.open();
});
afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

async function proxied(): Promise<{ readonly proxy: TcpProxy; readonly url: string }> {
  const url = new URL(world.database.serviceUrl);
  const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  url.port = String(proxy.port);
  return { proxy, url: url.href };
}

const verified = async (anchors: Parameters<typeof readAnchors>[0] | undefined = undefined) =>
  await new AuditVerifier({
    log: new AuditLog(world.database.owner),
    managers: world.managers,
    anchors: anchors === undefined ? [] : await readAnchors(anchors),
  }).run();

const idsOf = async (action: string) =>
  (await world.database.admin<{ id: string }[]>`select id from tenancy.audit_log where action = ${action} order by seq`).map(
    ({ id }) => id,
  );

const allowed = { action: 'across-tenants', outcome: 'allowed', targetTenantId: 'acme', actor: 'ops', reason: 'r' } as const;

test('without a spool nothing that must be recorded is done in an outage; what was refused is delivered after it, without a gap', async () => {
  const { proxy, url } = await proxied();
  await using client = await CatalogClient.open({ url });
  const auditor = serviceAuditor({ foldMs: 0 }, client, world.managers);
  await auditor.record({ action: 'residency', outcome: 'refused' });
  const { port } = proxy;
  await proxy[Symbol.asyncDispose]();
  await expect(auditor.record(allowed)).rejects.toThrow(AuditUnavailableError);
  const server = new URL(world.database.serviceUrl);
  await using back = await startTcpProxy({ host: server.hostname, port: Number(server.port) }, port);
  await auditor.record({ action: 'residency', outcome: 'refused', detail: { after: true } });
  expect(back.accepted).toBeGreaterThan(0);
  await auditor.close();
  const outcomes = await world.database
    .admin`select outcome, error_code from tenancy.audit_log where action = 'across-tenants' order by seq`;
  expect(outcomes).toEqual([
    { outcome: 'allowed', error_code: null },
    { outcome: 'failed', error_code: 'AUDIT_UNAVAILABLE' },
  ]);
  expect(await verified()).toMatchObject({ ok: true });
});

test('with one it is done once it is on disk, and the log has everything when the catalog is back', async () => {
  const { proxy, url } = await proxied();
  const directory = join(world.folder, 'spool');
  const anchors = join(world.folder, 'anchors.jsonl');
  const heard: unknown[] = [];
  const client = await CatalogClient.open({ url });
  const auditor = serviceAuditor(
    { spool: { directory }, anchors: [new FileAnchorSink(anchors)], onSinkError: (error) => heard.push(error) },
    client,
    world.managers,
  );
  const ids = [await auditor.record({ action: 'key', outcome: 'refused', detail: { n: 0 } })];
  await proxy[Symbol.asyncDispose]();
  for (let n = 1; n <= 20; n++) ids.push(await auditor.record({ action: 'key', outcome: n % 2 ? 'allowed' : 'refused', detail: { n } }));
  const [spool] = (await readdir(directory)).filter((name) => name.endsWith('.spool'));
  expect(await readFile(join(directory, spool!), 'utf8')).toContain(ids[20]);
  await auditor.close();
  await client.close();
  // The head that was acknowledged is anchored: until the spool is delivered, its entries are missed.
  expect((await verified(anchors)).findings).toMatchObject([{ kind: 'cut', seq: 2, message: expect.stringContaining('spool') as string }]);

  await using back = await CatalogClient.open({ url: world.database.serviceUrl });
  const next = serviceAuditor({ spool: { directory } }, back, world.managers);
  await eventually(async () => expect(await readdir(directory)).toEqual([]));
  await next.close();
  expect(await idsOf('key')).toEqual(ids);
  expect(await verified(anchors)).toMatchObject({ ok: true, anchors: 1 });
  expect(heard).toEqual([]);
});

test('a process that is killed while it spools loses nothing that it acknowledged, and nothing comes twice', async () => {
  const { proxy, url } = await proxied();
  const directory = join(world.folder, 'killed');
  const script = fileURLToPath(new URL('./fixtures/record-until-killed.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, url, join(world.folder, 'keys.json'), directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const acknowledged: string[] = [];
  const enough = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (id) => {
      acknowledged.push(id);
      if (acknowledged.length === 20) void proxy[Symbol.asyncDispose]();
      if (acknowledged.length === 400) {
        child.kill('SIGKILL');
        resolve();
      }
    });
  });
  const ended = once(child, 'close');
  await Promise.race([enough, ended]);
  await ended;
  const before = await idsOf('login');
  expect(acknowledged.length).toBeGreaterThanOrEqual(400);
  expect(before.length).toBeLessThan(acknowledged.length);

  await using back = await CatalogClient.open({ url: world.database.serviceUrl });
  const next = serviceAuditor({ spool: { directory } }, back, world.managers);
  await eventually(async () => expect(await readdir(directory)).toEqual([]), 40_000);
  await next.close();
  const kept = await idsOf('login');
  expect(new Set(kept).size).toBe(kept.length);
  expect(acknowledged.filter((id) => !kept.includes(id))).toEqual([]);
  expect(await verified()).toMatchObject({ ok: true });
});

test('of a flood of ten thousand attempts by forty tenants none is lost', async () => {
  await using client = await CatalogClient.open({ url: world.database.serviceUrl });
  const auditor = serviceAuditor({ maxQueue: 200 }, client, world.managers);
  const ids = await Promise.all(
    Array.from({ length: 10_000 }, (_, n) =>
      auditor.record({ action: 'scope.nested', outcome: 'refused', tenantId: `t-${n % 40}`, requestId: `r-${n}` }),
    ),
  );
  await auditor.close();
  const rows = await world.database.admin<{ id: string; tenant_id: string; times: number }[]>`
    select id, tenant_id, coalesce(detail ->> 'repeats', '1')::int as times from tenancy.audit_log where action = 'scope.nested'`;
  expect(new Set(ids)).toEqual(new Set(rows.map(({ id }) => id)));
  const times = new Map<string, number>();
  for (const row of rows) times.set(row.tenant_id, (times.get(row.tenant_id) ?? 0) + row.times);
  expect([...times.values()]).toEqual(Array.from({ length: 40 }, () => 250));
  expect(rows.length).toBeLessThan(5_000);
  expect(await verified()).toMatchObject({ ok: true });
});

test('anchors that are none are refused by line; one that was torn off is passed over', async () => {
  const path = join(world.folder, 'some.jsonl');
  const sink = new FileAnchorSink(path);
  const anchor = { writer: '6f9619ff-8b86-4d01-b42d-00cf4fc964ff', mac: 'ab'.repeat(32), at: new Date(0) };
  await sink.write({ ...anchor, seq: 2 });
  await sink.write({ ...anchor, seq: 1 });
  expect(await readAnchors(path)).toEqual([{ ...anchor, seq: 2 }]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await appendFile(path, '{"writer":"6f');
  expect(await readAnchors(path)).toHaveLength(1);
  await appendFile(path, '\n{}\n');
  await expect(readAnchors(path)).rejects.toThrow(/Line 3 of .* is no anchor/);
  await expect(readAnchors(join(world.folder, 'none'))).rejects.toThrow(ConfigurationError);
});
