import { describe, expect, it } from 'vitest';
import { ConfigurationError } from '../../../src/errors.ts';
import { loadSdk } from '../../../src/kms/remote-sdk.ts';

describe('loadSdk', () => {
  it('says what to install when the SDK is not there', async () => {
    const name = '@example/not-installed';
    const error = await loadSdk(name, () => import(/* @vite-ignore */ name)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigurationError);
    expect(error).toMatchObject({ hint: `Install it with: npm install ${name}` });
  });

  it('leaves every other failure of loading as it is', async () => {
    const damaged = Object.assign(new Error("Cannot find package 'other' imported from /app"), { code: 'ERR_MODULE_NOT_FOUND' });
    await expect(loadSdk('@example/sdk', () => Promise.reject(damaged))).rejects.toBe(damaged);
    expect(await loadSdk('node:path', () => import('node:path'))).toHaveProperty('join');
  });
});
