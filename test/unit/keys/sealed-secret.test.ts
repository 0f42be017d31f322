import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigurationError, DecryptionError, KeyManagerError } from '../../../src/errors.ts';
import { contextMasterContext, credentialContext, dataContext, indexContext } from '../../../src/keys/key-context.ts';
import { openSecret, type SecretContext, sealSecret } from '../../../src/keys/sealed-secret.ts';
import { makeTenantKeys } from '../../../src/keys/tenant-key-maker.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { type LocalKeyManager, localKeyManager } from '../../../src/kms/local.ts';

let folder: string;
let kms: LocalKeyManager;
let managers: KeyManagers;
let keyRef: string;
const login: SecretContext = { ...credentialContext, subject: ['eu-1', 'tenancy_shared', 'tenancy_app'] };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-secret-'));
  kms = localKeyManager({ file: join(folder, 'keys.json'), region: 'eu-central-1' });
  managers = new KeyManagers(kms);
  keyRef = await kms.createKey({ tenantId: 'platform', protection: 'software' });
});
afterAll(async () => {
  await managers.close();
  await rm(folder, { recursive: true, force: true });
});

describe('sealSecret and openSecret', () => {
  it('give back any text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 200, unit: 'grapheme' }), async (text) => {
        const sealed = await sealSecret(kms, keyRef, login, text);
        expect(await openSecret(managers, sealed, login)).toBe(text);
      }),
      { numRuns: 50 },
    );
  });

  it('hide the text, differently each time', async () => {
    const [one, two] = [await sealSecret(kms, keyRef, login, 'correct horse'), await sealSecret(kms, keyRef, login, 'correct horse')];
    expect(one.includes('correct')).toBe(false);
    expect(one.equals(two)).toBe(false);
  });

  it('bind tenant, purpose and subject', async () => {
    const sealed = await sealSecret(kms, keyRef, login, 'secret');
    const others: SecretContext[] = [
      { ...login, tenantId: 'tenant-100' },
      contextMasterContext,
      credentialContext,
      { ...login, subject: ['eu-1', 'tenancy_shared', 'tenancy_owner'] },
      { ...login, subject: ['eu-1', 'tenancy_shared', 'tenancy_app', ''] },
      { ...login, subject: ['eu-1tenancy_shared', 'tenancy_app'] },
    ];
    for (const other of others) await expect(openSecret(managers, sealed, other)).rejects.toBeInstanceOf(DecryptionError);
  });

  it('keep the subject from the key manager', async () => {
    const seen: unknown[] = [];
    const generateDataKey: LocalKeyManager['generateDataKey'] = (ref, context) => {
      seen.push(context);
      return kms.generateDataKey(ref, context);
    };
    const watching = Object.create(kms, { generateDataKey: { value: generateDataKey } }) as LocalKeyManager;
    await sealSecret(watching, keyRef, login, 'secret');
    expect(seen).toEqual([{ tenantId: 'platform', purpose: 'credential' }]);
  });

  it('open nothing that was changed anywhere or cut short', async () => {
    const sealed = await sealSecret(kms, keyRef, login, 'secret');
    const refusals = new Set<string>();
    for (let at = 0; at < sealed.byteLength; at++) {
      const changed = Buffer.from(sealed);
      changed[at]! ^= 1 << (at % 8);
      // Other names of provider or KEK are looked for and not found; everything else is one error.
      const error = await openSecret(managers, changed, login).then(
        () => 'opened',
        (reason: Error) => reason.constructor,
      );
      expect(error, `byte ${at}`).toBeOneOf([DecryptionError, KeyManagerError, ConfigurationError]);
      refusals.add((error as { name: string }).name);
      await expect(openSecret(managers, sealed.subarray(0, at), login)).rejects.toBeInstanceOf(DecryptionError);
    }
    expect(refusals).toContain('DecryptionError');
  });

  it('say so when the key itself is refused', async () => {
    const ref = await kms.createKey({ tenantId: 'platform', protection: 'software' });
    const sealed = await sealSecret(kms, ref, login, 'secret');
    await kms.disable(ref);
    await expect(openSecret(managers, sealed, login)).rejects.toMatchObject({ reason: 'disabled' });
  });

  it('say so when no key manager of that name was given', async () => {
    const sealed = await sealSecret(kms, keyRef, login, 'secret');
    const others = new KeyManagers(localKeyManager({ file: join(folder, 'other.json'), region: 'us-east-1' }));
    await expect(openSecret(others, sealed, login)).rejects.toBeInstanceOf(ConfigurationError);
  });

  it('put no plaintext into errors', async () => {
    const sealed = await sealSecret(kms, keyRef, login, 'correct horse');
    const error = await openSecret(managers, sealed, credentialContext).catch((reason: unknown) => reason);
    expect(`${String(error)}${JSON.stringify(error)}`).not.toContain('correct');
    expect((error as Error).cause).toBeUndefined();
  });
});

describe('makeTenantKeys', () => {
  it('makes two unrelated keys, each for its purpose and tenant only', async () => {
    const { dataKey, indexSecret } = await makeTenantKeys(kms, keyRef, 'tenant-100');
    const [data, index] = [await kms.unwrap(dataKey, dataContext('tenant-100')), await kms.unwrap(indexSecret, indexContext('tenant-100'))];
    expect(data.equals(index)).toBe(false);
    await expect(kms.unwrap(dataKey, indexContext('tenant-100'))).rejects.toBeInstanceOf(KeyManagerError);
    await expect(kms.unwrap(indexSecret, indexContext('tenant-200'))).rejects.toBeInstanceOf(KeyManagerError);
  });
});

describe('key contexts', () => {
  it('are what the catalog’s keys are bound to', () => {
    expect(dataContext('tenant-100')).toEqual({ tenantId: 'tenant-100', purpose: 'data' });
    expect(indexContext('tenant-100')).toEqual({ tenantId: 'tenant-100', purpose: 'blind-index' });
    expect(contextMasterContext).toEqual({ tenantId: 'platform', purpose: 'context-master' });
    expect(credentialContext).toEqual({ tenantId: 'platform', purpose: 'credential' });
  });

  it('leave the platform’s name to the platform', () => {
    expect(() => dataContext('platform')).toThrow(ConfigurationError);
    expect(() => indexContext('platform')).toThrow(ConfigurationError);
  });
});
