import { describe, expect, test } from 'vitest';
import { auditEvent } from '../../../src/audit/audit-event.ts';
import type { AuditFinding } from '../../../src/audit/audit-finding.ts';
import { cli, documents } from './support/cli-harness.ts';

const escapeCode = '\u001b';
const anchor = `{"writer":"6f9619ff-8b86-4d01-b42d-00cf4fc964ff","seq":3,"mac":"${'ab'.repeat(32)}","at":"2026-01-01T00:00:00Z"}\n`;
const clean = { findings: [], found: 0, entries: 7, writers: 2, beforeChain: 0, anchors: 0, ok: true };

describe('audit tail', () => {
  test('prints a line for each entry, and none that commands the terminal', async () => {
    const run = await cli(['audit', 'tail', '--tenant', 'tenant-a', '--actor', 'ada', '--request-id', 'r-1']);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(run.stdout.split('\n')).toHaveLength(2);
    expect(run.stdout).toContain('refused  query.policy  tenant-a  42501  up\\u{1b}[2Jto');
    expect(run.stdout).not.toContain(escapeCode);
    expect(run.control.calls).toMatchObject([['auditTail', { tenantId: 'tenant-a', actor: 'ada', requestId: 'r-1' }]]);
  });

  test('--json is a document for each line', async () => {
    const run = await cli(['audit', 'tail', '--json']);
    expect(JSON.parse(run.stdout)).toMatchObject({ id: 'e-1', action: 'query.policy' });
  });
});

describe('audit export', () => {
  const entries = [
    auditEvent({ id: 'one', at: new Date(0), action: 'login', outcome: 'refused', reason: 'say "no",\nplease', detail: { n: 1 } }),
    auditEvent({ id: 'two', at: new Date(1), action: 'login', outcome: 'refused', actor: '=cmd()', reason: '-1' }),
  ];
  const control = {
    async *auditExport() {
      yield* entries;
    },
  };

  test('is a line of JSON for each entry', async () => {
    const run = await cli(['audit', 'export'], { control });
    const lines = run.stdout.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(['one', 'two']);
  });

  test('or CSV, of which a spreadsheet makes no formula', async () => {
    const run = await cli(['audit', 'export', '--format', 'csv'], { control });
    expect(run.stdout).toBe(
      [
        'id,at,action,outcome,tenant_id,target_tenant_id,actor,reason,request_id,error_code,statement_fingerprint,detail,writer,writer_seq,previous_mac,mac',
        'one,1970-01-01T00:00:00.000Z,login,refused,,,,"say ""no"",\nplease",,,,"{""n"":1}",,,,',
        `two,1970-01-01T00:00:00.001Z,login,refused,,,'=cmd(),'-1,,,,{},,,,`,
        '',
      ].join('\n'),
    );
  });

  test('passes its filter on, and refuses another format', async () => {
    const run = await cli(['audit', 'export', '--since', '2026-01-31', '--outcome', 'refused']);
    expect(run.control.calls).toMatchObject([['auditExport', { since: new Date('2026-01-31'), outcome: 'refused' }]]);
    expect((await cli(['audit', 'export', '--format', 'xml'])).code).toBe(2);
  });
});

describe('audit verify', () => {
  const finding: AuditFinding = { kind: 'changed', writer: 'w-1', seq: 3, entryId: 'e-3', message: 'Entry 3 was changed.' };

  test('says what was checked, and that no anchors were', async () => {
    const run = await cli(['audit', 'verify']);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain('No findings. 7 entries in 2 chains were checked. No anchors were given');
  });

  test('reads anchors, and hands them on', async () => {
    const run = await cli(['audit', 'verify', '--anchors', 'a.jsonl', '--anchors', 'b.jsonl'], {
      files: { 'a.jsonl': anchor, 'b.jsonl': anchor },
    });
    expect(run.control.calls).toMatchObject([['auditVerify', [{ seq: 3 }, { seq: 3 }]]]);
    expect(run.stdout).toContain('2 anchors were compared.');
    expect((await cli(['audit', 'verify', '--anchors', 'none.jsonl'])).code).toBe(2);
  });

  test('ends with 3 when there is a finding, which it names', async () => {
    const report = { ...clean, findings: [finding], found: 1_200, ok: false };
    const run = await cli(['audit', 'verify'], { control: { auditVerify: async () => report } });
    expect(run.code).toBe(3);
    expect(run.stdout).toContain('changed  w-1 #3  e-3\n  Entry 3 was changed.');
    expect(run.stdout).toContain('1200 findings. The first 1 are shown.');
    const json = await cli(['audit', 'verify', '--json'], { control: { auditVerify: async () => report } });
    expect(json.code).toBe(3);
    expect(documents(json).stdout).toEqual(JSON.parse(JSON.stringify(report)));
  });
});

describe('audit probe', () => {
  test('says what was found out, and ends with 0 whatever it is', async () => {
    const run = await cli(['audit', 'probe']);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(run.stdout).toBe('4 rows were asked for in vain: 2 are nobody’s, 1 the tenant’s own, 1 another tenant’s, 0 unknown.\n');
    const json = await cli(['audit', 'probe', '--json']);
    expect(documents(json).stdout).toEqual({ asked: 4, absent: 2, own: 1, foreign: 1, unanswered: 0, forged: 0 });
  });

  test('says that batches were forged', async () => {
    const report = { asked: 0, absent: 0, own: 0, foreign: 0, unanswered: 0, forged: 2 };
    const run = await cli(['audit', 'probe'], { control: { auditSilentAttempts: async () => report } });
    expect(run.stdout).toContain('none another tenant’s');
    expect(run.stdout).toContain('2 batches were not a service’s.');
  });
});
