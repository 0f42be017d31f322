import { describe, expect, test } from 'vitest';
import { CatalogError } from '../../../src/errors.ts';
import { cli } from './support/cli-harness.ts';

describe('keys context rotate', () => {
  test('says which key is new, and who asked for it', async () => {
    const run = await cli(['keys', 'context', 'rotate', '--actor', 'ada']);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(run.stdout).toContain('sign with k2 now');
    expect(run.control.calls).toEqual([['rotateContextKey', { actor: 'ada' }]]);
    expect(run.control.closed).toBe(true);
  });

  test('--json is a document', async () => {
    const run = await cli(['keys', 'context', 'rotate', '--json']);
    expect(JSON.parse(run.stdout)).toEqual({ keyId: 'k2' });
    // Without --actor somebody is named all the same.
    expect(run.control.calls).toMatchObject([['rotateContextKey', { actor: expect.stringMatching(/./) as string }]]);
  });
});

describe('keys context retire', () => {
  test('says which keys are gone', async () => {
    const run = await cli(['keys', 'context', 'retire', '--actor', 'ada']);
    expect(run.stdout).toBe('k1 can’t sign a context any more.\n');
    expect(run.control.calls).toEqual([['retireContextKeys', { actor: 'ada' }]]);
    expect(JSON.parse((await cli(['keys', 'context', 'retire', '--json'])).stdout)).toEqual({ retired: ['k1'] });
  });

  test('says so when there was none, and fails while the newest key is too young', async () => {
    const none = await cli(['keys', 'context', 'retire'], { control: { retireContextKeys: async () => ({ retired: [] }) } });
    expect(none).toMatchObject({ code: 0, stdout: 'There was no older key.\n' });
    const young = await cli(['keys', 'context', 'retire'], {
      control: {
        retireContextKeys: async () => {
          throw new CatalogError('The newest context key is younger than ten minutes.', {
            retryable: true,
            hint: 'Wait, then run it again.',
          });
        },
      },
    });
    expect(young).toMatchObject({ code: 1, stdout: '' });
    expect(young.stderr).toContain('younger than ten minutes');
  });
});
