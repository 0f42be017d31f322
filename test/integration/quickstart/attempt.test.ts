import { type AuditEvent, NoTenantError, TenancyError } from '@godseye/tenancy';
import { describe, expect, it } from 'vitest';
import { type Attempt, allHeld, runAttempts } from '../../../examples/retail/quickstart/attempt.ts';
import { QuickstartRun } from './quickstart-run.ts';

const entry = { id: 'an-entry', action: 'scope.none', outcome: 'refused' } as AuditEvent;
const audit = async (): Promise<readonly AuditEvent[]> => [entry];
const refusal =
  (auditId?: string): Attempt['act'] =>
  async () => {
    throw new NoTenantError('No.', { auditId });
  };
const attempt = (over: Partial<Attempt>): Attempt => ({
  name: 'it',
  act: refusal('an-entry'),
  meets: { code: 'NO_TENANT', action: 'scope.none' },
  ...over,
});
const rows = (count: number): Promise<unknown[]> => Promise.resolve(Object.assign([], { count }));

describe('an attempt is held off', () => {
  it('when it meets the expected error and its entry is in the audit log', async () => {
    const results = await runAttempts([attempt({})], audit);
    expect(results).toMatchObject([{ verdict: 'refused', met: 'NO_TENANT: No.', entry }]);
    expect(allHeld(results)).toBe(true);
  });

  it('when a server with the quiet policy answers with no row', async () => {
    const results = await runAttempts([attempt({ quiet: true, act: () => rows(0) })], audit);
    expect(results).toMatchObject([{ verdict: 'no rows', entry: undefined }]);
    expect(allHeld(results)).toBe(true);
  });
});

describe('and is not', () => {
  it.each([
    ['when it succeeds', { act: async () => [{ sku: 'A' }] }, 'LEAK'],
    ['when it is answered with nothing', { act: async () => undefined }, 'LEAK'],
    ['when there are no rows where the server should refuse', { act: () => rows(0) }, 'LEAK'],
    ['when a quiet server answers with a row', { quiet: true, act: async () => [{ sku: 'A' }] }, 'LEAK'],
    ['when a quiet server wrote rows', { quiet: true, act: () => rows(1) }, 'LEAK'],
    ['when its entry is missing', { act: refusal('another-entry') }, 'OFF'],
    ['when the error names no entry', { act: refusal() }, 'OFF'],
    ['when the entry is of another kind', { meets: { code: 'NO_TENANT', action: 'login' } }, 'OFF'],
    ['when it meets another error', { meets: { code: 'WRONG_TENANT', action: 'scope.none' } }, 'OFF'],
    [
      'when it breaks',
      {
        act: () => {
          throw new TypeError('undefined is not a function');
        },
      },
      'OFF',
    ],
    [
      'when it meets an error of the library without a refusal',
      {
        act: async () => {
          throw new TenancyError('Gone.');
        },
      },
      'OFF',
    ],
  ] satisfies [string, Partial<Attempt>, string][])('%s', async (_, over, verdict) => {
    const results = await runAttempts([attempt({}), attempt(over)], audit);
    expect(results.map((result) => result.verdict)).toEqual(['refused', verdict]);
    expect(allHeld(results)).toBe(false);
  });

  it('when none was made', () => {
    expect(allHeld([])).toBe(false);
  });
});

it('the quickstart ends non-zero over a leak, names it, and finds the line that is gone', async () => {
  await using run = await QuickstartRun.start([], 'test/integration/quickstart/fixtures/with-a-leak.ts');
  expect(await run.exit(), run.output).toBe(1);
  expect(run.output).toMatch(/^ {2}a superuser, whom no policy holds back +LEAK/m);
  expect(run.output).toMatch(/^OFF LEAK: a superuser, whom no policy holds back/m);
  expect(run.output).toMatch(/^OFF [a-z-]+: lines is \d+ in the database and \d+ in the files/m);
  expect(await run.leftovers()).toEqual([]);
});
