import { describe, expect, test } from 'vitest';
import { clockFindings } from '../../../src/verify/clock-check.ts';
import { poolerFindings } from '../../../src/verify/pooler-check.ts';
import { foreignAttempts, insertText, type ProbeOutcome, referenceAttempt, verdict } from '../../../src/verify/probe-attempts.ts';
import type { ProbeColumn, ProbeRelation } from '../../../src/verify/probe-facts.ts';
import { parentsFirst } from '../../../src/verify/probe-rows.ts';
import { probeValue } from '../../../src/verify/probe-values.ts';

const column = (name: string, base = 'text', more: Partial<ProbeColumn> = {}): ProbeColumn => ({
  name,
  type: base,
  base,
  category: 'S',
  modifiers: [],
  labels: [],
  notNull: true,
  filled: false,
  generated: false,
  keyed: false,
  texts: [],
  numbers: [],
  ...more,
});
const table = (name: string, more: Partial<ProbeRelation> = {}): ProbeRelation => ({
  schema: 's',
  name,
  kind: 'r',
  parent: null,
  columns: [column('tenant_id'), column('id', 'int4')],
  key: ['tenant_id', 'id'],
  foreignKeys: [],
  ...more,
});
const row = new Map([
  ['tenant_id', 'a'],
  ['id', '7'],
]);

describe('a made-up value', () => {
  test.each<[ProbeColumn, number, string | undefined]>([
    [column('c', 'int4'), 0, '1'],
    [column('c', 'numeric', { category: 'N', modifiers: [3, 1] }), 0, '1'],
    [column('c', 'text', { texts: ['open', 'closed'] }), 0, 'open'],
    [column('c', 'text', { texts: ['open', 'closed'] }), 2, 'closed'],
    [column('c', 'text', { texts: ['^a+$'] }), 1, 'probe'],
    [column('c', 'varchar', { modifiers: [3] }), 0, 'pro'],
    [column('c', 'text', { numbers: ['3'] }), 2, 'AAA'],
    [column('c', 'int4', { category: 'N', numbers: ['5'] }), 2, '5'],
    [column('c', 'int4', { category: 'N', numbers: ['5'] }), 3, '6'],
    [column('c', 'state', { category: 'E', labels: ['x', 'y'] }), 0, 'x'],
    [column('c', '_text', { category: 'A' }), 0, '{}'],
    [column('c', 'vector', { category: 'U', modifiers: [3] }), 0, '[0,0,0]'],
    [column('c', 'pair', { category: 'C' }), 0, undefined],
  ])('of %j, variant %i', (of, variant, value) => {
    expect(probeValue(of, { row: 1, variant })).toBe(value);
  });

  test('in a key is another for each row, and fits its type', () => {
    for (const base of ['int2', 'int4', 'int8', 'numeric', 'text', 'uuid']) {
      const [one, two] = [1, 2].map((number) => probeValue(column('c', base, { keyed: true }), { row: number, variant: 0 }));
      expect(one, base).not.toBe(two);
    }
    expect(Number(probeValue(column('c', 'int2', { keyed: true }), { row: 9, variant: 0 }))).toBeLessThan(32_768);
    expect(Number(probeValue(column('c', 'numeric', { keyed: true, modifiers: [6, 2] }), { row: 1, variant: 0 }))).toBeLessThan(10_000);
  });
});

describe('the verdict', () => {
  test.each<[string, string, ProbeOutcome, string]>([
    ['probe-read', 'nothing', { count: 0 }, 'held'],
    ['probe-read', 'nothing', { code: '42501' }, 'held'],
    ['probe-read', 'nothing', { count: 1 }, 'leaked'],
    ['probe-write', 'nothing', { code: '23503' }, 'leaked'],
    ['probe-write', 'nothing', { code: '57014' }, 'unclear'],
    ['probe-write', 'refusal', { code: '42501' }, 'held'],
    ['probe-write', 'refusal', { code: '23505' }, 'leaked'],
    ['probe-write', 'refusal', { code: '23514' }, 'leaked'],
    ['probe-write', 'refusal', { code: 'P0001' }, 'unclear'],
    ['probe-upsert', 'refusal', { count: 0 }, 'leaked'],
    ['probe-truncate', 'refusal', { count: 0 }, 'leaked'],
    ['probe-truncate', 'refusal', { code: '0A000' }, 'leaked'],
    ['probe-truncate', 'refusal', { code: '55P03' }, 'leaked'],
    ['probe-reference', 'no-parent', { code: '23503' }, 'held'],
    ['probe-reference', 'no-parent', { count: 1 }, 'leaked'],
    ['probe-reference', 'no-parent', { count: 0 }, 'unclear'],
    ['probe-collision', 'success', { count: 1 }, 'held'],
    ['probe-collision', 'success', { code: '23505' }, 'leaked'],
  ])('%s that must meet %s and meets %j: %s', (id, expected, outcome, came) => {
    expect(verdict({ id, expect: expected } as Parameters<typeof verdict>[0], outcome)).toBe(came);
  });
});

test('only the synthetic row is written to: every change names its whole key', () => {
  const changes = foreignAttempts(table('t'), row, 'b').filter(({ text }) => /^(update|delete)/.test(text));
  expect(changes).toHaveLength(3);
  for (const { text } of changes) expect(text).toMatch(/ where "tenant_id" = 'a'::text and "id" = '7'::int4$/);
  const keyless = foreignAttempts(table('t', { key: [] }), row, 'b').filter(({ text }) => /^(update|delete)/.test(text));
  for (const { text } of keyless) expect(text).toMatch(/ where "tenant_id"::text = 'a' and "id"::text = '7'$/);
});

test('names and values are quoted, computed columns left out', () => {
  const odd = table('o"dd', { columns: [column('tenant_id'), column('a b'), column('sum', 'int4', { generated: true })] });
  expect(insertText(odd, new Map([...row, ['a b', "x'y"], ['sum', '3']]))).toBe(
    `insert into "s"."o""dd" ("tenant_id", "a b") overriding system value values ('a'::text, 'x''y'::text)`,
  );
});

test('a foreign key of tenant_id alone has nothing to point elsewhere with', () => {
  const key = { name: 'k', columns: ['tenant_id'], schema: 's', table: 'p', parentColumns: ['tenant_id'] };
  expect(referenceAttempt(table('t'), row, key, row)).toBeUndefined();
  expect(
    referenceAttempt(table('t'), row, { ...key, columns: ['tenant_id', 'id'], parentColumns: ['tenant_id', 'id'] }, row)?.text,
  ).toContain(`set "id" = '7'::int4`);
});

test('parents come before children, also where they point in a circle', () => {
  const key = (to: string) => ({ name: to, columns: ['tenant_id', 'id'], schema: 's', table: to, parentColumns: ['tenant_id', 'id'] });
  const order = (tables: readonly ProbeRelation[]) => parentsFirst(tables).map(({ name }) => name);
  expect(order([table('c', { foreignKeys: [key('b'), key('c')] }), table('b', { foreignKeys: [key('a')] }), table('a')])).toEqual([
    'a',
    'b',
    'c',
  ]);
  expect(order([table('a', { foreignKeys: [key('b')] }), table('b', { foreignKeys: [key('a')] })]).sort()).toEqual(['a', 'b']);
});

test('clocks: as far apart as can be said for sure', () => {
  const severity = (skewMs: number, travelMs: number) => clockFindings('x', skewMs, travelMs).map((found) => [found.id, found.severity]);
  expect([severity(0, 5), severity(-4_000, 5), severity(9_000, 10_000)]).toEqual([[], [], []]);
  expect(severity(-6_000, 10)).toEqual([['clock-skew', 'warning']]);
  expect(severity(31_000, 10)).toEqual([['clock-skew', 'error']]);
});

test('a cluster is marked as what answers', () => {
  const found = (marked: boolean, between: boolean) => poolerFindings('x', marked, between).map(({ id, severity }) => [id, severity]);
  expect([found(true, true), found(false, false)]).toEqual([[], []]);
  expect(found(false, true)).toEqual([['pooler-unmarked', 'error']]);
  expect(found(true, false)).toEqual([['pooler-absent', 'warning']]);
});
