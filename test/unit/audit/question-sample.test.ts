import { expect, test } from 'vitest';
import { QuestionSample } from '../../../src/audit/question-sample.ts';
import type { SilentQuestion } from '../../../src/audit/silent-question.ts';
import { Seeded } from '../../support/seeded.ts';

const question = (tenantId: string, value: string): SilentQuestion => ({
  at: new Date(0).toISOString(),
  tenantId,
  statementFingerprint: 'f',
  clusterId: 'c',
  database: 'd',
  schema: 's',
  table: 't',
  columns: ['id'],
  primary: true,
  values: [value],
});

test('a flood of one tenant is sampled and counted, and drowns no other’s', () => {
  const sample = new QuestionSample({ perTenant: 10, maxTenants: 2 });
  for (let n = 0; n < 50_000; n++) sample.add(question('loud', String(n)));
  sample.add(question('quiet', 'x'));
  sample.add(question('late', 'x'));
  const { questions, seen, missed } = sample.drain();
  expect(questions.map(({ tenantId }) => tenantId)).toEqual([...Array<string>(10).fill('loud'), 'quiet']);
  expect(seen).toEqual({ loud: 50_000, quiet: 1 });
  expect(missed).toBe(1);
  expect(sample.empty).toBe(true);
  expect(sample.drain()).toEqual({ questions: [], seen: {}, missed: 0 });
});

test('each of a flood has the same chance: the first ones are not what an attacker can hide behind', () => {
  const numbers = new Seeded(7);
  const random = () => numbers.next();
  const kept = Array<number>(20).fill(0);
  const rounds = 4_000;
  for (let round = 0; round < rounds; round++) {
    const sample = new QuestionSample({ perTenant: 5, maxTenants: 1, random });
    for (let n = 0; n < kept.length; n++) sample.add(question('loud', String(n)));
    for (const { values } of sample.drain().questions) kept[Number(values[0])]!++;
  }
  // A quarter of the rounds each; six standard deviations are 164.
  for (const times of kept) expect(Math.abs(times - rounds / 4)).toBeLessThan(170);
});
