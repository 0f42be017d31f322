import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Kek, KeyStore } from '../../../src/catalog/key-store.ts';
import { KeyManagerError, ResidencyError } from '../../../src/errors.ts';
import { awsKeyManager } from '../../../src/kms/aws.ts';
import { azureKeyManager } from '../../../src/kms/azure.ts';
import { gcpKeyManager } from '../../../src/kms/gcp.ts';
import type { KeyManager } from '../../../src/kms/key-manager.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { localKeyManager } from '../../../src/kms/local.ts';
import { pkcs11KeyManager } from '../../../src/kms/pkcs11.ts';
import { PlatformKeys } from '../../../src/provision/platform-keys.ts';
import { defaultTiers } from '../../../src/tenant/tier.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-platform-keys-'));
});
afterAll(() => rm(folder, { recursive: true }));

const local = (region: string, allowSoftwareHsm = false, provider = `local/${region}`) =>
  localKeyManager({ file: join(folder, `${provider.replace('/', '-')}.json`), region, allowSoftwareHsm, provider });
const token = (region: string, softwareTokenAsHsm = false) =>
  pkcs11KeyManager({ module: '/no/such.so', tokenLabel: 'tenancy', pin: '271828', region, softwareTokenAsHsm });
const aws = (region: string, customKeyStoreId?: string) => awsKeyManager({ region, customKeyStoreId });

/** Keeps what is recorded, as the catalog's owner would. */
function keysOf(...managers: readonly KeyManager[]): { readonly keys: PlatformKeys; readonly recorded: readonly Kek[] } {
  const recorded: Kek[] = [];
  const store: Pick<KeyStore, 'activeKek' | 'insertKek'> = {
    activeKek: async (tenantId, provider) =>
      recorded.find((kek) => kek.tenantId === tenantId && (provider === undefined || kek.provider === provider)),
    insertKek: async (kek) => {
      recorded.push({ ...kek, id: `kek-${recorded.length}`, createdAt: new Date() });
      return recorded.at(-1)!;
    },
  };
  return { keys: new PlatformKeys({ store: store as KeyStore, managers: new KeyManagers(managers) }), recorded };
}

const tenant = (tier: keyof typeof defaultTiers, dataResidency: readonly string[] = ['eu-1']) =>
  ({ id: 'tenant-100', tier: defaultTiers[tier]!, region: 'eu-1', dataResidency }) as const;
const chosen = (tier: keyof typeof defaultTiers, managers: readonly KeyManager[], residency?: readonly string[]): string =>
  keysOf(...managers).keys.managerOf(tenant(tier, residency)).provider;

describe('what a key manager says of keys in an HSM', () => {
  it.each([
    ['hsm', () => token('eu-1')],
    ['stand-in', () => token('eu-1', true)],
    ['stand-in', () => local('eu-1', true)],
    ['none', () => local('eu-1')],
    ['hsm', () => aws('eu-1', 'cks-1')],
    ['none', () => aws('eu-1')],
    ['hsm', () => gcpKeyManager({ project: 'shop', location: 'eu-1', keyRing: 'tenants' })],
    [
      'hsm',
      () => azureKeyManager({ vaultUrl: 'https://shop.vault.azure.net', credential: { getToken: async () => null }, region: 'eu-1' }),
    ],
  ] as const)('is %s of %s', async (hsmKeys, open) => {
    await using manager = open();
    expect(manager.hsmKeys).toBe(hsmKeys);
  });
});

describe('the key manager of a tenant', () => {
  it('is the first of its region, unless its keys belong in an HSM', () => {
    for (const managers of [
      [local('us-1'), local('eu-1'), token('eu-1')],
      [local('eu-1', true), token('eu-1')],
      [local('us-1'), aws('eu-1'), token('eu-1'), local('eu-1')],
    ]) {
      const first = managers.find(({ region }) => region === 'eu-1')!.provider;
      expect(chosen('standard', managers)).toBe(first);
      expect(chosen('enterprise', managers)).toBe(first);
      expect(chosen('premium', managers)).toBe('pkcs11/eu-1');
    }
  });

  it('is an HSM of another allowed region before a stand-in or nothing in its own', () => {
    for (const own of [local('eu-1'), local('eu-1', true)]) {
      const managers = [own, token('us-1'), token('eu-2')];
      expect(chosen('premium', managers, ['eu-1', 'eu-2'])).toBe('pkcs11/eu-2');
      expect(chosen('enterprise', managers, ['eu-1', 'eu-2'])).toBe('local/eu-1');
    }
  });

  it('is a stand-in where no HSM is allowed, never an HSM of a region that is not', () => {
    const managers = [token('us-1'), local('eu-1', false, 'plain'), local('eu-1', true)];
    expect(chosen('premium', managers)).toBe('local/eu-1');
    expect(chosen('premium', [token('us-1'), local('eu-1')])).toBe('local/eu-1');
    expect(chosen('premium', managers, ['eu-1', 'us-1'])).toBe('pkcs11/us-1');
    expect(() => chosen('premium', [token('us-1')])).toThrow(ResidencyError);
  });
});

describe('the KEK of a premium tenant', () => {
  it('is made by the manager that can, and found again', async () => {
    const { keys, recorded } = keysOf(local('eu-1'), local('eu-1', true, 'stand-in'));
    const kek = await keys.kekOf(tenant('premium'));
    expect(kek).toMatchObject({ provider: 'stand-in', protection: 'hsm', tenantId: 'tenant-100', region: 'eu-1' });
    expect(await keys.kekOf(tenant('premium'))).toBe(kek);
    expect(await keys.kekOf(tenant('standard'))).toMatchObject({ provider: 'local/eu-1', protection: 'software', tenantId: undefined });
    expect(recorded).toHaveLength(2);
  });

  it('is refused, and none recorded, where no manager of an allowed region makes one', async () => {
    const { keys, recorded } = keysOf(local('eu-1'), local('us-1', true));
    const error = await keys.kekOf(tenant('premium')).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(KeyManagerError);
    expect(error).toMatchObject({ reason: 'denied', tenantId: 'tenant-100' });
    expect(recorded).toEqual([]);
    expect((await keys.kekOf(tenant('enterprise'))).provider).toBe('local/eu-1');
  });
});
