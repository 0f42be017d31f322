import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { auditEvent } from '../../../src/audit/audit-event.ts';
import { Auditor } from '../../../src/audit/auditor.ts';
import { AuditReader } from '../../../src/audit-store/audit-reader.ts';
import { PostgresAuditSink } from '../../../src/audit-store/postgres-audit-sink.ts';
import { CatalogClient } from '../../../src/catalog/catalog-client.ts';
import { AuditUnavailableError, CatalogError, ConfigurationError } from '../../../src/errors.ts';
import { startTcpProxy } from '../../support/tcp-proxy.ts';
import { type CatalogDatabase, createCatalogDatabase } from '../catalog/catalog-database.ts';

let database: CatalogDatabase;
let service: CatalogClient;
let sink: PostgresAuditSink;
let reader: AuditReader;

beforeAll(async () => {
  database = await createCatalogDatabase();
  service = await CatalogClient.open({ url: database.serviceUrl });
  sink = new PostgresAuditSink({ session: service });
  reader = new AuditReader(database.owner);
});

afterAll(async () => {
  await sink?.close();
  await service?.close();
  await database?.[Symbol.asyncDispose]();
});

const refused = (tenantId: string, changes: Partial<Parameters<typeof auditEvent>[0]> = {}) =>
  auditEvent({ action: 'query.policy', outcome: 'refused', tenantId, ...changes });

describe('the audit log', () => {
  test('an entry is read back as it was recorded', async () => {
    const event = auditEvent({
      action: 'across-tenants',
      outcome: 'allowed',
      tenantId: 'round',
      targetTenantId: 'trip',
      actor: 'ops@example.org',
      reason: 'recount "all"',
      requestId: 'r-1',
      errorCode: '42501',
      statementFingerprint: 'abc',
      detail: { tenants: 3, all: true, note: 'ünïcode' },
    });
    await sink.write([event]);
    expect(await reader.entries({ tenantId: 'round' })).toEqual([event]);
    const bare = auditEvent({ action: 'scope.none', outcome: 'refused' });
    await sink.write([bare]);
    expect((await reader.entries({ action: 'scope.none' }))[0]).toEqual(bare);
  });

  test('the same entry sent twice is kept once; another under its id is refused', async () => {
    const event = refused('twice');
    await sink.write([event]);
    await sink.write([event]);
    await expect(sink.write([{ ...event, reason: 'changed' }])).rejects.toThrow(CatalogError);
    expect(await reader.entries({ tenantId: 'twice' })).toEqual([event]);
  });

  test('two hundred at once arrive in order, in a handful of inserts', async () => {
    let inserts = 0;
    const counting = new PostgresAuditSink({
      session: {
        query: (attempt, run) => {
          inserts++;
          return service.query(attempt, run);
        },
      },
    });
    const auditor = new Auditor([counting]);
    const ids = Array.from({ length: 200 }, () => randomUUID());
    await Promise.all(ids.map((id) => auditor.record({ id, action: 'query.policy', outcome: 'refused', tenantId: 'burst' })));
    expect(inserts).toBeLessThan(5);
    const rows = await database.admin<{ id: string }[]>`select id from tenancy.audit_log where tenant_id = 'burst' order by seq`;
    expect(rows.map(({ id }) => id)).toEqual(ids);
  });

  test('says who recorded it, whatever the entry claims', async () => {
    const event = refused('who');
    await sink.write([{ ...event, recorded_by: 'somebody else' } as never]);
    const [row] =
      await database.admin`select recorded_by, recorded_at between now() - interval '1 minute' and now() as recent from tenancy.audit_log where id = ${event.id}`;
    expect(row).toEqual({ recorded_by: database.login, recent: true });
  });

  test('nothing that was recorded is changed or removed, not even by its owner', async () => {
    const event = refused('kept');
    await sink.write([event]);
    for (const statement of [
      `update tenancy.audit_log set reason = 'x' where id = '${event.id}'`,
      `delete from tenancy.audit_log where id = '${event.id}'`,
      'truncate tenancy.audit_log',
    ]) {
      await expect(database.admin.unsafe(statement), statement).rejects.toThrow();
      await expect(
        service.query({ doing: 'trying' }, (sql) => sql.unsafe(statement)),
        statement,
      ).rejects.toThrow(CatalogError);
    }
    expect(await reader.entries({ tenantId: 'kept' })).toEqual([event]);
  });

  test('an entry that the catalog refuses is the only one that is lost, and its writer hears of it', async () => {
    const good = refused('good');
    const results = await Promise.allSettled([sink.write([{ ...refused('bad'), id: 'no uuid' }]), sink.write([good])]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(await reader.entries({ tenantId: 'good' })).toEqual([good]);
  });

  test('what jsonb can’t hold does not keep an entry out', async () => {
    await sink.write([refused('nul', { reason: 'a\0b\ud800' })]);
    expect((await reader.entries({ tenantId: 'nul' }))[0]?.reason).toBe('a\ufffdb\ufffd');
  });

  test('a connection that breaks under the insert costs no entry and doubles none', async () => {
    const url = new URL(database.serviceUrl);
    await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    await using broken = await CatalogClient.open({ url: url.href, maxConnections: 1 });
    const fragile = new PostgresAuditSink({ session: broken });
    await fragile.write([refused('before')]);
    const event = refused('broken');
    // The insert goes through, its answer does not: the sink can't know and sends it again.
    proxy.cutAfter('down', 1);
    await fragile.write([event]);
    expect(await reader.entries({ tenantId: 'broken' })).toEqual([event]);
    const ids = await database.admin`select count(*)::int as n from tenancy.audit_log where tenant_id = 'broken'`;
    expect(ids[0]).toEqual({ n: 1 });
  });

  test('a catalog that is gone lets nothing pass that must be recorded first', async () => {
    const url = new URL(database.serviceUrl);
    const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    await using gone = await CatalogClient.open({ url: url.href });
    await proxy[Symbol.asyncDispose]();
    await expect(
      new Auditor([new PostgresAuditSink({ session: gone })]).record({ action: 'across-tenants', outcome: 'allowed' }),
    ).rejects.toThrow(AuditUnavailableError);
  });
});

describe('AuditReader', () => {
  test('filters by tenant on either side, action, outcome and time, newest first', async () => {
    const at = (minute: number): Date => new Date(Date.UTC(2026, 0, 1, 0, minute));
    const events = [
      refused('reader', { at: at(1) }),
      auditEvent({ action: 'across-tenants', outcome: 'allowed', targetTenantId: 'reader', at: at(2) }),
      auditEvent({ action: 'residency', outcome: 'refused', tenantId: 'reader', at: at(3) }),
    ];
    await sink.write(events);
    const actions = async (filter: Parameters<AuditReader['entries']>[0]) =>
      (await reader.entries({ tenantId: 'reader', ...filter })).map(({ action }) => action);
    expect(await actions({})).toEqual(['residency', 'across-tenants', 'query.policy']);
    expect(await actions({ limit: 1 })).toEqual(['residency']);
    expect(await actions({ action: 'residency' })).toEqual(['residency']);
    expect(await actions({ outcome: 'allowed' })).toEqual(['across-tenants']);
    expect(await actions({ since: at(2) })).toEqual(['residency', 'across-tenants']);
    expect(await actions({ since: at(2), until: at(3) })).toEqual(['across-tenants']);
  });

  test.each([0, -1, 1.5, 10_001, Number.NaN])('a limit of %s is refused', async (limit) => {
    await expect(reader.entries({ limit })).rejects.toThrow(ConfigurationError);
  });
});
