import { expect, test } from 'vitest';
import { QuestionBox, type QuestionBoxOptions } from '../../../src/audit-store/question-box.ts';
import { ConfigurationError } from '../../../src/errors.ts';

const parts = { session: {}, managers: {} } as unknown as Pick<QuestionBoxOptions, 'session' | 'managers'>;

test.each([
  { everyMs: 0 },
  { everyMs: Number.NaN },
  { everyMs: 3_600_001 },
  { perTenant: 0 },
  { perTenant: 1.5 },
  { perTenant: Number.NaN },
  { perTenant: 101 },
])('%j is refused before anything is noted', (options) => {
  expect(() => new QuestionBox({ ...parts, ...options })).toThrow(ConfigurationError);
});

test.each([{}, { everyMs: 1, perTenant: 1 }, { everyMs: 3_600_000, perTenant: 100 }])('%j is taken', async (options) => {
  await new QuestionBox({ ...parts, ...options }).close();
});
