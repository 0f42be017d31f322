import { expect, test } from 'vitest';
import { readBenchOptions } from '../../../bench/bench-options.ts';
import { planOf } from '../../../bench/plan.ts';

test('nothing is a full run for people', () => {
  expect(readBenchOptions([])).toEqual({
    json: false,
    quick: false,
    floors: false,
    svg: undefined,
    queries: 50_000,
    cases: [],
    subjects: [],
  });
});

test('every option is read', () => {
  const args = ['--json', '--quick', '--floors', '--svg', 'a.svg', '--queries', '500', '--cases', 'insert,update', '--subjects=raw'];
  expect(readBenchOptions(args)).toEqual({
    json: true,
    quick: true,
    floors: true,
    svg: 'a.svg',
    queries: 500,
    cases: ['insert', 'update'],
    subjects: ['raw'],
  });
});

test('an unknown option, case or subject is refused', () => {
  expect(() => readBenchOptions(['--fast'])).toThrow(TypeError);
  expect(() => readBenchOptions(['--subjects', 'raw,mongo'])).toThrow(/no subject mongo; .*tenancy-row/);
  for (const queries of ['many', '0', '1.5']) expect(() => readBenchOptions(['--queries', queries])).toThrow(/--queries/);
  expect(() => planOf(false, ['point-selects'])).toThrow(/no case point-selects; .*point-select/);
});

test('a quick run has every main case at 1 and 32 callers, and needs no documents', () => {
  const { direct, distant, documents } = planOf(true, []);
  expect(direct.map((cell) => `${cell.case} ${cell.callers}`)).toEqual(
    ['point-select', 'list-join', 'insert', 'update', 'transaction'].flatMap((what) => [`${what} 1`, `${what} 32`]),
  );
  expect(distant.map((cell) => `${cell.case} ${cell.callers}`)).toEqual(['point-select 1', 'transaction 1']);
  expect(documents).toBe(false);
});

test('naming cases leaves the others out', () => {
  expect(planOf(false, ['filter-like-leakproof'])).toMatchObject({ direct: [], distant: [], knownTenants: [], documents: true });
  expect(planOf(false, ['kms-calls', 'value-cost'])).toMatchObject({
    direct: [],
    knownTenants: [],
    encryption: ['value-cost', 'kms-calls'],
  });
  expect(planOf(false, ['memory', 'insert'])).toMatchObject({
    knownTenants: [1_000, 10_000],
    encryption: [],
    leakproof: [],
    documents: false,
  });
});
