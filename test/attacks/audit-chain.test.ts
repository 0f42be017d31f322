import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Anchor } from '../../src/audit/anchor-sink.ts';
import type { AuditFinding } from '../../src/audit/audit-finding.ts';
import type { Auditor } from '../../src/audit/auditor.ts';
import { AuditLog } from '../../src/audit-store/audit-log.ts';
import { AuditVerifier } from '../../src/audit-store/audit-verifier.ts';
import { FunctionAnchorSink } from '../../src/audit-store/function-anchor-sink.ts';
import { sealBaseline } from '../../src/audit-store/seal-baseline.ts';
import { serviceAuditor } from '../../src/audit-store/service-auditor.ts';
import { CatalogClient } from '../../src/catalog/catalog-client.ts';
import { AuditWorld } from '../integration/audit-store/audit-world.ts';

let world: AuditWorld;
let service: CatalogClient;
let anchors: Anchor[];

beforeAll(async () => {
  world = await AuditWorld.open();
  service = await CatalogClient.open({ url: world.database.serviceUrl });
});
afterAll(async () => {
  await service?.close();
  await world?.[Symbol.asyncDispose]();
});

/** A service's auditor whose anchors the test sees. */
function openAuditor(): Auditor {
  return serviceAuditor(
    { anchors: [new FunctionAnchorSink('test', (anchor) => void anchors.push(anchor))], foldMs: 0 },
    service,
    world.managers,
  );
}

/** Records entries of one process, to its orderly end. @returns the writer's id */
async function recorded(count: number): Promise<string> {
  const auditor = openAuditor();
  for (let n = 1; n <= count; n++) {
    await auditor.record({ action: 'query.policy', outcome: 'refused', tenantId: 'acme', reason: `reason ${n}`, detail: { n, yes: true } });
  }
  await auditor.close();
  return anchors.at(-1)!.writer;
}

const verified = async (given: readonly Anchor[] = anchors) =>
  await new AuditVerifier({ log: new AuditLog(world.database.owner), managers: world.managers, anchors: given }).run();

const told = (findings: readonly AuditFinding[]) => findings.map(({ kind, seq }) => [kind, seq]);

/** Does as the superuser what every trigger and constraint forbids. */
async function sabotage(statements: string): Promise<void> {
  await world.database.admin.unsafe(`
    begin;
    alter table tenancy.audit_log disable trigger audit_log_kept;
    alter table tenancy.audit_writers disable trigger audit_writers_kept;
    alter table tenancy.audit_chain_start disable trigger audit_chain_start_kept;
    ${statements};
    alter table tenancy.audit_log enable always trigger audit_log_kept;
    alter table tenancy.audit_writers enable always trigger audit_writers_kept;
    alter table tenancy.audit_chain_start enable always trigger audit_chain_start_kept;
    commit`);
}

const append = async (...rows: object[]) =>
  await service.query({ doing: 'trying' }, (sql) => sql`select tenancy.append_audit(${sql.json(rows as never)})`);

const raw = (changes: object = {}) => ({
  id: randomUUID(),
  at: new Date().toISOString(),
  action: 'query.policy',
  outcome: 'completed',
  detail: {},
  ...changes,
});

beforeEach(async () => {
  anchors = [];
  await sabotage('truncate tenancy.audit_log, tenancy.audit_writers; update tenancy.audit_chain_start set last_seq = 0');
});

describe('a log that nobody touched', () => {
  test('is in order, over several writers, with and without anchors', async () => {
    await recorded(3);
    await recorded(4);
    expect(await verified()).toMatchObject({ ok: true, findings: [], found: 0, entries: 7, writers: 2, anchors: 2, beforeChain: 0 });
    expect(await verified([])).toMatchObject({ ok: true, anchors: 0 });
  });

  test('is in order with values that JSON and PostgreSQL write in their own ways', async () => {
    const auditor = openAuditor();
    const detail = {
      z: 1e21,
      a: 0.1,
      'ü"\\': '\0\ud800',
      ten: 10,
      big: 2 ** 53,
      small: 1e-7,
      minus: -0,
      none: Number.NaN,
      no: false,
      empty: '',
    };
    await auditor.record({ action: 'residency', outcome: 'refused', actor: '', reason: '\u2028😀', detail });
    await auditor.record({ action: 'residency', outcome: 'refused', at: new Date(-1), detail: {} });
    await auditor.close();
    expect(await verified()).toMatchObject({ ok: true, entries: 2 });
  });

  test('is in order when entries are appended while it is read', async () => {
    const auditor = openAuditor();
    await auditor.record({ action: 'login', outcome: 'refused' });
    const [report] = await Promise.all([
      verified([]),
      ...Array.from({ length: 50 }, (_, n) => auditor.record({ action: 'login', outcome: 'refused', detail: { n } })),
    ]);
    await auditor.close();
    expect(report).toMatchObject({ ok: true });
  });
});

describe('one entry changed', () => {
  test.each([
    `action = 'residency'`,
    `outcome = 'allowed'`,
    `tenant_id = 'bolt'`,
    `tenant_id = null`,
    `target_tenant_id = ''`,
    `actor = 'somebody'`,
    `reason = 'reason 30'`,
    `request_id = 'r'`,
    `error_code = 'E'`,
    `statement_fingerprint = 'f'`,
    `at = at + interval '1 microsecond'`,
    `at = 'infinity'`,
    `detail = '{"n": 3}'`,
    `detail = '{"n": "3", "yes": true}'`,
    `detail = '{"n": 3, "yes": {"not": "plain"}}'`,
    `id = gen_random_uuid()`,
    `mac = decode(repeat('ab', 32), 'hex')`,
    `previous_mac = decode(repeat('ab', 32), 'hex')`,
  ])('set %s is found, and named', async (change) => {
    const writer = await recorded(5);
    await sabotage(`update tenancy.audit_log set ${change} where writer_seq = 3`);
    const { findings, ok } = await verified();
    expect(ok).toBe(false);
    expect(findings).toMatchObject([{ kind: 'changed', writer, seq: 3, entryId: expect.any(String) }]);
  });

  test('the first, the last and several in a row are named one by one', async () => {
    await recorded(8);
    await sabotage(`update tenancy.audit_log set reason = 'x' where writer_seq in (1, 4, 5, 6, 8)`);
    // The last one was anchored, and it is there: changed, not cut.
    expect(told((await verified()).findings)).toEqual([1, 4, 5, 6, 8].map((seq) => ['changed', seq]));
  });
});

describe('entries removed', () => {
  test('from the middle, from the head, and several runs', async () => {
    await recorded(9);
    await sabotage('delete from tenancy.audit_log where writer_seq in (1, 4, 5, 8)');
    const { findings } = await verified();
    expect(told(findings)).toEqual([
      ['missing', 1],
      ['missing', 4],
      ['missing', 8],
    ]);
    expect(findings[1]?.message).toContain('Entries 4 to 5 are missing');
  });

  test('from the tail, up to the last anchor', async () => {
    await recorded(5);
    await sabotage('delete from tenancy.audit_log where writer_seq > 3');
    const { findings } = await verified();
    expect(told(findings)).toEqual([['cut', 4]]);
    expect(findings[0]?.message).toContain('Entries 4 to 5 are missing at the end of the chain');
    // What no anchor vouches for can't be missed: nothing else knows that it ever was.
    expect(await verified([])).toMatchObject({ ok: true });
  });

  test('behind the last anchor nothing tells of them', async () => {
    const auditor = openAuditor();
    for (let n = 0; n < 2; n++) await auditor.record({ action: 'login', outcome: 'refused', detail: { n } });
    const [row] = await world.database.admin<{ writer: string; mac: string }[]>`
      select writer, encode(mac, 'hex') as mac from tenancy.audit_log where writer_seq = 2`;
    const anchor = { ...row!, seq: 2, at: new Date() };
    await auditor.record({ action: 'login', outcome: 'refused', detail: { n: 3 } });
    await auditor.close();
    await sabotage('delete from tenancy.audit_log where writer_seq = 3');
    expect(await verified([anchor])).toMatchObject({ ok: true });
    expect(told((await verified()).findings)).toEqual([['cut', 3]]);
  });

  test('all of a writer’s, with its registration', async () => {
    const writer = await recorded(2);
    await recorded(1);
    await sabotage(`delete from tenancy.audit_log where writer = '${writer}'; delete from tenancy.audit_writers where id = '${writer}'`);
    expect((await verified()).findings).toMatchObject([{ kind: 'cut', writer, seq: 1 }]);
  });
});

describe('entries moved', () => {
  test.each([
    [2, 5],
    [3, 4],
    [1, 6],
  ])('places %i and %i swapped', async (one, other) => {
    await recorded(6);
    await sabotage(`update tenancy.audit_log set writer_seq = ${one} + ${other} - writer_seq where writer_seq in (${one}, ${other})`);
    expect(told((await verified()).findings)).toEqual([
      ['reordered', one],
      ['reordered', other],
    ]);
  });

  test('their order of arrival swapped', async () => {
    await recorded(4);
    await sabotage(`
      alter table tenancy.audit_log alter column seq drop identity;
      update tenancy.audit_log set seq = -seq where writer_seq in (2, 3);
      update tenancy.audit_log a set seq = -b.seq from tenancy.audit_log b where a.writer_seq in (2, 3) and b.writer_seq = 5 - a.writer_seq;
      alter table tenancy.audit_log alter column seq add generated always as identity (start 1000000)`);
    expect(told((await verified()).findings)).toEqual([['reordered', 3]]);
  });

  test('to another writer’s chain', async () => {
    const [one, other] = [await recorded(2), await recorded(3)];
    await sabotage(`update tenancy.audit_log set writer = '${other}' where writer = '${one}' and writer_seq = 2`);
    const kinds = (await verified()).findings.map(({ kind, writer }) => [kind, writer]);
    expect(kinds).toEqual([
      ['cut', one],
      ['added', other],
    ]);
  });

  test('their contents swapped under links that stay', async () => {
    await recorded(5);
    await sabotage(`update tenancy.audit_log a set reason = b.reason from tenancy.audit_log b
      where a.writer_seq in (2, 4) and b.writer_seq = 6 - a.writer_seq`);
    expect(told((await verified()).findings)).toEqual([
      ['changed', 2],
      ['changed', 4],
    ]);
  });
});

describe('entries added by SQL', () => {
  test('through append_audit as the service’s login, without a link', async () => {
    await recorded(2);
    const row = raw();
    await append(row);
    const { findings } = await verified();
    expect(findings).toMatchObject([{ kind: 'added', writer: undefined, seq: undefined, entryId: row.id }]);
    expect(findings[0]?.message).toContain(world.database.login);
  });

  test('with a link that they made up: at the end, in a place that is taken, far away, in a chain of nobody', async () => {
    const writer = await recorded(3);
    const link = { writer, previous_mac: '11'.repeat(32) };
    const mac = (digit: string) => digit.repeat(64);
    await append(raw({ ...link, mac: mac('2'), writer_seq: 4 }));
    await append(raw({ ...link, mac: mac('3'), writer_seq: 2 }));
    await append(raw({ ...link, mac: mac('4'), writer_seq: '9007199254740993' }));
    const stranger = randomUUID();
    await append(raw({ ...link, mac: mac('5'), writer: stranger, writer_seq: 1 }));
    expect((await verified()).findings.map(({ kind, writer: of, seq }) => [kind, of, seq])).toEqual([
      ['added', writer, 2],
      ['added', writer, 4],
      ['added', writer, Number('9007199254740993')],
      ['added', stranger, undefined],
    ]);
  });

  test('in a place that is yet to be taken: the writer goes on, and is believed', async () => {
    const auditor = openAuditor();
    await auditor.record({ action: 'login', outcome: 'refused' });
    const [row] = await world.database.admin<{ writer: string }[]>`select writer from tenancy.audit_log`;
    const squatter = raw({ writer: row!.writer, writer_seq: 2, previous_mac: '11'.repeat(32), mac: '22'.repeat(32) });
    await append(squatter);
    await auditor.record({ action: 'login', outcome: 'refused', detail: { n: 2 } });
    await auditor.close();
    expect((await verified()).findings).toMatchObject([{ kind: 'added', seq: 2, entryId: squatter.id }]);
  });

  test('an old entry replayed: under its own id nothing happens, under another it is a copy', async () => {
    await recorded(4);
    const [old] = await world.database.admin<Record<string, unknown>[]>`
      select id, at, action, outcome, tenant_id, target_tenant_id, actor, reason, request_id, error_code, statement_fingerprint, detail,
        writer, writer_seq, encode(previous_mac, 'hex') as previous_mac, encode(mac, 'hex') as mac from tenancy.audit_log where writer_seq = 2`;
    await append(old!);
    expect(await verified()).toMatchObject({ ok: true, entries: 4 });
    await append({ ...old, id: randomUUID() });
    await append({ ...old, id: randomUUID(), writer_seq: 5 });
    expect(told((await verified()).findings)).toEqual([
      ['duplicated', 2],
      ['duplicated', 5],
    ]);
  });

  test('the very same row twice, which takes the primary key away', async () => {
    await recorded(3);
    await sabotage(`
      alter table tenancy.audit_log drop constraint audit_log_pkey;
      insert into tenancy.audit_log (id, at, action, outcome, tenant_id, reason, detail, writer, writer_seq, previous_mac, mac)
        select id, at, action, outcome, tenant_id, reason, detail, writer, writer_seq, previous_mac, mac from tenancy.audit_log where writer_seq = 2`);
    expect(told((await verified()).findings)).toEqual([['duplicated', 2]]);
    await sabotage(`delete from tenancy.audit_log where seq = (select max(seq) from tenancy.audit_log);
      alter table tenancy.audit_log add primary key (id)`);
    expect(await verified()).toMatchObject({ ok: true });
  });

  test('rows that no writer would write are shown and reported, and keep nobody from reading', async () => {
    await append(raw({ at: 'infinity', detail: { nested: { a: 1 }, none: null } }));
    expect((await verified()).findings).toMatchObject([{ kind: 'added' }]);
    expect(await world.reader.entries()).toMatchObject([{ detail: { nested: '({"a":1})', none: '(null)' } }]);
  });

  test('a thousand of them do not hide what else is wrong, nor make it long', async () => {
    const writer = await recorded(3);
    await sabotage(`update tenancy.audit_log set reason = 'x' where writer_seq = 2`);
    const link = { writer, writer_seq: 3, previous_mac: '11'.repeat(32) };
    await append(...Array.from({ length: 1_200 }, (_, n) => raw({ ...link, mac: n.toString(16).padStart(64, '0') })));
    const { found, findings } = await verified();
    expect(found).toBe(1_201);
    expect(findings).toHaveLength(1_000);
    expect(findings[0]).toMatchObject({ kind: 'changed', seq: 2 });
  });
});

describe('keys and registrations', () => {
  test('another writer’s wrapped key opens no chain', async () => {
    const [one, other] = [await recorded(2), await recorded(2)];
    await sabotage(`update tenancy.audit_writers a set wrapped = b.wrapped, key_ref = b.key_ref from tenancy.audit_writers b
      where a.id = '${one}' and b.id = '${other}'`);
    const { findings } = await verified();
    expect(new Set(findings.map(({ writer }) => writer))).toEqual(new Set([one]));
    expect(findings.length).toBeGreaterThan(0);
  });

  test.each([
    [`wrapped = '\\x00'`, 'unverifiable'],
    [`provider = 'another'`, 'unverifiable'],
  ])('a key with %s can’t be opened, which is a finding', async (change, kind) => {
    const writer = await recorded(2);
    await sabotage(`update tenancy.audit_writers set ${change}`);
    expect((await verified()).findings).toMatchObject([{ kind, writer }]);
  });

  test('a registration that was removed is told from a writer that never was', async () => {
    const writer = await recorded(2);
    await sabotage(`delete from tenancy.audit_writers where id = '${writer}'`);
    expect((await verified()).findings).toMatchObject([{ kind: 'unverifiable', writer }]);
    expect((await verified([])).findings).toMatchObject([{ kind: 'added', writer }]);
  });

  test('a chain written anew by somebody who has its key is not the one that was anchored', async () => {
    const writer = await recorded(2);
    const anchor = { ...anchors.at(-1)!, mac: 'ab'.repeat(32) };
    expect((await verified([anchor])).findings).toMatchObject([{ kind: 'changed', writer, seq: 2 }]);
  });
});

describe('what was there before the chains', () => {
  const older = `
    insert into tenancy.audit_log (id, at, action, outcome, reason) values
      (gen_random_uuid(), now(), 'residency', 'refused', 'old 1'), (gen_random_uuid(), now(), 'residency', 'refused', 'old 2');
    update tenancy.audit_chain_start set last_seq = (select max(seq) from tenancy.audit_log)`;
  const seal = async () => {
    const auditor = serviceAuditor({}, world.database.owner, world.managers);
    const sealed = await sealBaseline(new AuditLog(world.database.owner), auditor, world.database.login);
    await auditor.close();
    return sealed;
  };

  test('stays valid without a link, once it is sealed', async () => {
    await sabotage(older);
    expect((await verified()).findings).toMatchObject([{ kind: 'baseline', message: expect.stringContaining('tenancy init') }]);
    expect(await seal()).toBe(true);
    await recorded(2);
    expect(await verified()).toMatchObject({ ok: true, beforeChain: 2, entries: 5 });
    expect(await seal()).toBe(false);
  });

  test.each([
    `update tenancy.audit_log set reason = 'x' where reason = 'old 1'`,
    `update tenancy.audit_log set recorded_by = 'x' where reason = 'old 1'`,
    `delete from tenancy.audit_log where reason = 'old 2'`,
    `insert into tenancy.audit_log (id, at, action, outcome) values (gen_random_uuid(), now(), 'a', 'refused');
     update tenancy.audit_chain_start set last_seq = (select max(seq) from tenancy.audit_log)`,
  ])('%s is found', async (change) => {
    await sabotage(older);
    await seal();
    await sabotage(change);
    expect((await verified()).findings).toMatchObject([{ kind: 'baseline' }]);
  });

  test('a seal that the service’s login wrote first does not count', async () => {
    await sabotage(older);
    await append(raw({ action: 'audit', reason: 'baseline', detail: { entries: 0, digest: 'x' } }));
    const auditor = openAuditor();
    await auditor.record({ action: 'audit', outcome: 'completed', reason: 'baseline', detail: { entries: 0, digest: 'x' } });
    await auditor.close();
    expect(await seal()).toBe(true);
  });
});
