import { createSecretKey, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { SealedCredential } from '../../../src/catalog/sealed-credential.ts';
import { ConfigurationError, DecryptionError } from '../../../src/errors.ts';
import { loginContext } from '../../../src/keys/key-context.ts';
import { sealSecret } from '../../../src/keys/sealed-secret.ts';
import type { KeyManager } from '../../../src/kms/key-manager.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { environmentCredentials } from '../../../src/routing/environment-credentials.ts';
import { LoginCredentials } from '../../../src/routing/login-credentials.ts';
import { sealedCredentials } from '../../../src/routing/sealed-credentials.ts';

const address = { clusterId: 'us-1', database: 'tenancy_shared' };

describe('LoginCredentials', () => {
  test('shows its password to nothing but a read', () => {
    const credentials = new LoginCredentials('tenancy_app', 'hunter2');
    expect(credentials.password).toBe('hunter2');
    expect(`${inspect(credentials)}${inspect({ credentials }, { showHidden: true })}${JSON.stringify(credentials)}`).not.toContain(
      'hunter2',
    );
    expect({ ...credentials }).toEqual({ user: 'tenancy_app' });
  });
});

describe('environmentCredentials', () => {
  test('reads the login of each database', async () => {
    const provider = environmentCredentials({
      TENANCY_US_1_TENANCY_SHARED_USER: 'tenancy_app',
      TENANCY_US_1_TENANCY_SHARED_PASSWORD: 'secret',
    });
    const credentials = await provider(address);
    expect([credentials.user, credentials.password]).toEqual(['tenancy_app', 'secret']);
  });

  test('names the variable that is missing, and no value', async () => {
    const provider = environmentCredentials({ TENANCY_US_1_TENANCY_SHARED_USER: 'tenancy_app', TENANCY_US_1_TENANCY_SHARED_PASSWORD: '' });
    await expect(provider(address)).rejects.toThrow(ConfigurationError);
    await expect(provider(address)).rejects.toThrow('TENANCY_US_1_TENANCY_SHARED_PASSWORD is not set');
    await expect(provider({ clusterId: 'eu-1', database: 'x' })).rejects.toThrow('TENANCY_EU_1_X_USER is not set');
  });
});

/** Wraps by remembering: what it gave out it can open, bound to its context. */
function memoryManager() {
  const keys = new Map<string, Buffer>();
  let unwraps = 0;
  const manager = {
    provider: 'memory',
    region: 'us-east-1',
    generateDataKey: async (keyRef: string) => {
      const [ciphertext, key] = [randomBytes(16), randomBytes(32)];
      keys.set(ciphertext.toString('hex'), key);
      return { key: createSecretKey(key), wrapped: { provider: 'memory', keyRef, ciphertext } };
    },
    unwrap: async ({ ciphertext }: { ciphertext: Buffer }) => {
      unwraps++;
      return createSecretKey(keys.get(ciphertext.toString('hex'))!);
    },
  } as unknown as KeyManager;
  return { manager, unwraps: () => unwraps };
}

describe('sealedCredentials', () => {
  const stored = (sealed: Buffer, login = 'tenancy_app'): SealedCredential => ({ ...address, login, sealed, createdAt: new Date() });

  test('opens what was sealed for this database and login, once for the same bytes', async () => {
    const { manager, unwraps } = memoryManager();
    let row = stored(await sealSecret(manager, 'k', loginContext('service', address, 'tenancy_app'), 'first'));
    const provider = sealedCredentials({ reader: { serviceCredential: async () => row }, managers: new KeyManagers(manager) });
    const credentials = await provider(address);
    expect([credentials.user, credentials.password]).toEqual(['tenancy_app', 'first']);
    row = stored(Buffer.from(row.sealed));
    expect(await provider(address)).toBe(credentials);
    expect(unwraps()).toBe(1);
    row = stored(await sealSecret(manager, 'k', loginContext('service', address, 'tenancy_app'), 'second'));
    expect((await provider(address)).password).toBe('second');
  });

  test.each([
    ['another database’s', loginContext('service', { clusterId: 'us-1', database: 'tenancy_other' }, 'tenancy_app')],
    ['another login’s', loginContext('service', address, 'tenancy_app2')],
    ['the owner’s', loginContext('owner', address, 'tenancy_app')],
    ['a context master', { tenantId: 'platform', purpose: 'context-master' }],
  ])('%s secret in its place is refused', async (_what, context) => {
    const { manager } = memoryManager();
    const foreign = await sealSecret(manager, 'k', context, 'other');
    const provider = sealedCredentials({ reader: { serviceCredential: async () => stored(foreign) }, managers: new KeyManagers(manager) });
    await expect(provider(address)).rejects.toThrow(DecryptionError);
  });

  test('a database without a login is named', async () => {
    const provider = sealedCredentials({
      reader: { serviceCredential: async () => undefined },
      managers: new KeyManagers(memoryManager().manager),
    });
    await expect(provider(address)).rejects.toThrow('us-1/tenancy_shared');
  });
});
