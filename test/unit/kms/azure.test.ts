import { constants, createPublicKey, generateKeyPairSync, sign as signWith } from 'node:crypto';
import { inspect } from 'node:util';
import { KeyClient } from '@azure/keyvault-keys';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newDataKey } from '../../../src/crypto/data-key.ts';
import { ConfigurationError, KeyManagerError } from '../../../src/errors.ts';
import { type AzureKeyManager, type AzureKeyManagerOptions, azureKeyManager } from '../../../src/kms/azure.ts';
import { dataKeyIn, rsaParts, rsaWrapped, wrapWithPublicKey } from '../../../src/kms/azure-envelope.ts';
import { VaultServer } from '../../support/kms/azure/vault-server.ts';
import type { Fault } from '../../support/kms/faults.ts';
import { ServiceError } from '../../support/kms/service-error.ts';

const context = { tenantId: 'tenant-100', purpose: 'data' };
const own = { tenantId: 'tenant-100', protection: 'software' } as const;
let vault: VaultServer;
let kms: AzureKeyManager;
let keyRef: string;

const managerWith = (options: Partial<AzureKeyManagerOptions> = {}): AzureKeyManager =>
  azureKeyManager({
    vaultUrl: vault.url,
    credential: vault.credential,
    region: 'westeurope',
    allowInsecureConnection: true,
    backoffMs: 1,
    // Making RSA keys takes a busy machine longer than a call may take by default.
    deadlineMs: 40_000,
    attemptMs: 10_000,
    ...options,
  });
const clientOf = (server: VaultServer): KeyClient =>
  new KeyClient(server.url, server.credential, { allowInsecureConnection: true, disableChallengeResourceVerification: true });
const nameOf = (ref: string): string => ref.split('/').at(-1)!;

const refuse = (status: number, code: string, inner?: string, headers: Record<string, string> = {}): Fault => ({
  error: new ServiceError(code, status, 'words of the service', { headers, ...(inner === undefined ? {} : { inner }) }),
});

async function failureOf(work: Promise<unknown>): Promise<KeyManagerError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KeyManagerError);
  return error as KeyManagerError;
}

beforeAll(async () => {
  vault = await VaultServer.start();
  kms = managerWith({ breakAfter: Infinity });
  keyRef = await kms.createKey(own);
});
afterAll(async () => {
  await kms.close();
  await vault.close();
});
beforeEach(() => {
  vault.faults.clear();
  vault.seen.length = 0;
});

describe('azureKeyManager, a data key that somebody else wrapped', () => {
  const mallory = { context, key: newDataKey() };

  it('is refused, although the vault itself would unwrap it', async () => {
    // All that it takes is the public key, which everybody may have who may read the key.
    const client = clientOf(vault);
    const name = nameOf(keyRef);
    const { key, properties } = await client.getKey(name);
    const jwk = { kty: 'RSA', n: Buffer.from(key!.n!).toString('base64url'), e: Buffer.from(key!.e!).toString('base64url') };
    const publicKey = createPublicKey({ format: 'jwk', key: jwk });
    const forged = wrapWithPublicKey(publicKey, mallory.key, mallory.context);
    const crypto = client.getCryptographyClient(name, { keyVersion: properties.version! });
    const raw = await crypto.unwrapKey('RSA-OAEP-256', forged);
    expect(Buffer.from(dataKeyIn(raw.result, context)!)).toEqual(mallory.key.export());

    const genuine = (await kms.generateDataKey(keyRef, context)).wrapped;
    const { signature } = rsaParts(genuine.ciphertext, 384)!;
    const otherPair = generateKeyPairSync('rsa', { modulusLength: 3_072 });
    const pss = { key: otherPair.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    vault.seen.length = 0;
    for (const attempt of [signature, Buffer.alloc(384), signWith('sha256', forged, pss)]) {
      const wrapped = { ...genuine, ciphertext: rsaWrapped(forged, attempt) };
      expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('invalidCiphertext');
    }
    expect(vault.seen).not.toContain('unwrapkey');
  });

  it('is refused by the digest inside too, where it was signed for another context', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    const other = await kms.generateDataKey(keyRef, { ...context, tenantId: 'tenant-200' });
    // A vault that answers with what another payload holds.
    const { ciphertext } = rsaParts(other.wrapped.ciphertext, 384)!;
    const payload = await clientOf(vault)
      .getCryptographyClient(nameOf(keyRef), { keyVersion: wrapped.keyVersion! })
      .unwrapKey('RSA-OAEP-256', ciphertext);
    vault.faults.next('unwrapkey', { lie: (answer) => ({ ...answer, value: Buffer.from(payload.result).toString('base64url') }) });
    expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('invalidCiphertext');
    expect((await kms.unwrap(wrapped, context)).type).toBe('secret');
  });

  it('can’t be wrapped by asking the vault: its keys allow unwrapping and signing only', async () => {
    const client = clientOf(vault).getCryptographyClient(nameOf(keyRef));
    await expect(client.wrapKey('RSA-OAEP-256', mallory.key.export())).rejects.toThrow();
    const { key } = await clientOf(vault).getKey(nameOf(keyRef));
    expect(key!.keyOps).toEqual(['unwrapKey', 'sign']);
  });

  it('is not taken for the vault’s where somebody put it at another key, version or length', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    const other = await kms.generateDataKey(await kms.createKey(own), context);
    for (const moved of [
      { ...wrapped, keyRef: other.wrapped.keyRef, keyVersion: other.wrapped.keyVersion },
      { ...wrapped, keyVersion: undefined },
      { ...wrapped, keyVersion: '../../secrets/x' },
      { ...wrapped, ciphertext: Buffer.concat([wrapped.ciphertext, Buffer.of(0)]) },
    ]) {
      expect((await failureOf(kms.unwrap(moved, context))).reason).toBe('invalidCiphertext');
    }
    const unknown = { ...wrapped, keyVersion: 'f'.repeat(32) };
    expect((await failureOf(kms.unwrap(unknown, context))).reason).toBe('wrongKey');
  });

  it('shows the vault no data key when it is wrapped', async () => {
    await kms.wrap(keyRef, newDataKey(), context);
    expect(vault.seen).not.toContain('wrapkey');
    expect(vault.seen).toContain('sign');
  });
});

describe('azureKeyManager, requests', () => {
  it('unwraps with the version that wrapped, and wraps with the newest', async () => {
    const made = await kms.createKey(own);
    const before = await kms.generateDataKey(made, context);
    await vault.keys.create(nameOf(made), { kty: 'RSA', key_size: 2_048, key_ops: ['unwrapKey', 'sign'] });
    const after = await kms.rewrap(before.wrapped, context);
    expect(after.keyVersion).not.toBe(before.wrapped.keyVersion);
    for (const wrapped of [before.wrapped, after]) expect((await kms.unwrap(wrapped, context)).equals(before.key)).toBe(true);
    await kms.disable(made);
    for (const wrapped of [before.wrapped, after]) expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('disabled');
  });

  it('shares one request among identical unwraps, and reads a version once', async () => {
    const fresh = managerWith();
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    vault.seen.length = 0;
    const opened = await Promise.all(Array.from({ length: 20 }, () => fresh.unwrap(wrapped, context)));
    expect(opened.every((one) => one.equals(key))).toBe(true);
    await fresh.unwrap(wrapped, context);
    expect(vault.seen.filter((operation) => operation === 'unwrapkey')).toHaveLength(2);
    expect(vault.seen.filter((operation) => operation === 'get').length).toBeLessThanOrEqual(2);
    await fresh.close();
  });

  it('asks the vault nothing about keys of another', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    vault.seen.length = 0;
    for (const strange of ['https://other.vault.azure.net/keys/name', nameOf(keyRef), `${keyRef}/version`, `${keyRef}?x=1`, '']) {
      expect((await failureOf(kms.unwrap({ ...wrapped, keyRef: strange }, context))).reason).toBe('notFound');
      expect((await failureOf(kms.disable(strange))).reason).toBe('notFound');
    }
    expect(vault.seen).toEqual([]);
  });

  it('makes keys that say whose they are, in an HSM where the vault has one', async () => {
    const made = await managerWith({ tags: { service: 'orders' } }).createKey(own);
    expect((await clientOf(vault).getKey(nameOf(made))).properties.tags).toEqual({
      service: 'orders',
      'tenancy-tenant': 'tenant-100',
      'tenancy-protection': 'software',
    });
    const hsm = await kms.createKey({ ...own, protection: 'hsm' });
    expect(await kms.describe(hsm)).toMatchObject({ protection: 'hsm', state: 'enabled', region: 'westeurope' });
    const { key, wrapped } = await kms.generateDataKey(hsm, context);
    expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
    const standard = await VaultServer.start({ premium: false });
    const cheap = managerWith({ vaultUrl: standard.url, credential: standard.credential });
    expect((await failureOf(cheap.createKey({ ...own, protection: 'hsm' }))).reason).toBe('denied');
    await cheap.close();
    await standard.close();
  });

  it('refuses options that can’t work', () => {
    expect(() => managerWith({ region: '' })).toThrow(ConfigurationError);
    expect(() => managerWith({ vaultUrl: 'nonsense' })).toThrow(ConfigurationError);
    expect(() => managerWith({ allowInsecureConnection: false })).toThrow(ConfigurationError);
    expect(() => managerWith({ credential: undefined as never })).toThrow(ConfigurationError);
    expect(inspect(kms)).toBe('AzureKeyManager(azure/127.0.0.1)');
  });
});

describe('azureKeyManager, failures', () => {
  it.each([
    [429, 'Throttled', undefined, 'throttled', 2],
    [500, 'InternalServerError', undefined, 'unavailable', 2],
    [503, 'ServiceUnavailable', undefined, 'unavailable', 2],
    [403, 'Forbidden', 'ForbiddenByRbac', 'denied', 1],
    [403, 'Forbidden', 'KeyDisabled', 'disabled', 1],
    [409, 'Conflict', 'ObjectIsBeingDeleted', 'pendingDeletion', 1],
    [400, 'BadParameter', undefined, 'invalidCiphertext', 1],
  ] as const)('reads HTTP %i %s (%s) as %s', async (status, code, inner, reason, attempts) => {
    const settled = managerWith({ attempts: 2 });
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    vault.seen.length = 0;
    vault.faults.next('unwrapkey', refuse(status, code, inner), 2);
    const error = await failureOf(settled.unwrap(wrapped, context));
    expect(error).toMatchObject({ reason, retryable: attempts > 1, tenantId: 'tenant-100' });
    expect(error.message).not.toContain('words of the service');
    expect(vault.seen.filter((operation) => operation === 'unwrapkey')).toHaveLength(attempts);
    await settled.close();
  });

  it.each<[string, Fault]>([
    ['throttles', refuse(429, 'Throttled')],
    ['is in trouble', refuse(500, 'InternalServerError')],
    ['ends the connection', { drop: true }],
    ['answers with a proxy’s page', { garbage: '<html>', status: 502 }],
    ['answers with text that is no JSON', { garbage: '<html>' }],
    ['does not answer', { hang: true }],
  ])('goes on when the vault %s for a while', async (_, fault) => {
    const patient = managerWith({ attemptMs: 400 });
    const { key, wrapped } = await patient.generateDataKey(keyRef, context);
    vault.faults.next('unwrapkey', fault, 2);
    expect((await patient.unwrap(wrapped, context)).equals(key)).toBe(true);
    await patient.close();
  });

  it('takes no signature of another key, and no data key that the vault made up', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    vault.faults.next('sign', { lie: (answer) => ({ ...answer, value: Buffer.alloc(384, 1).toString('base64url') }) });
    expect((await failureOf(kms.wrap(keyRef, newDataKey(), context))).reason).toBe('wrongKey');
    vault.faults.next('unwrapkey', { lie: (answer) => ({ ...answer, value: Buffer.alloc(32, 1).toString('base64url') }) });
    expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('invalidCiphertext');
    vault.faults.next('unwrapkey', { lie: () => ({}) });
    expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('unavailable');
  });

  it('makes no key twice when the vault’s answer is lost', async () => {
    vault.faults.next('create', { drop: true });
    expect((await failureOf(kms.createKey(own))).reason).toBe('unavailable');
    expect(vault.seen.filter((operation) => operation === 'create')).toHaveLength(1);
  });

  it('waits as long as Retry-After says, or fails at once where that is past its deadline', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    vault.faults.next('unwrapkey', refuse(429, 'Throttled', undefined, { 'retry-after': '1' }));
    const started = performance.now();
    await kms.unwrap(wrapped, context);
    expect(performance.now() - started).toBeGreaterThanOrEqual(990);
    vault.faults.next('unwrapkey', refuse(429, 'Throttled', undefined, { 'retry-after': '60' }));
    vault.seen.length = 0;
    expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('throttled');
    expect(vault.seen).toEqual(['unwrapkey']);
  });

  it('gets a new token when the vault no longer takes the old one, and says denied when it gets none that works', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    vault.revokeTokens();
    expect((await kms.unwrap(wrapped, context)).type).toBe('secret');
    const wrong = managerWith({ credential: { getToken: async () => ({ token: 'made-up', expiresOnTimestamp: Date.now() + 3_600_000 }) } });
    expect((await failureOf(wrong.describe(keyRef))).reason).toBe('denied');
    const none = managerWith({
      credential: {
        getToken: async () => {
          throw Object.assign(new Error('none'), { name: 'CredentialUnavailableError' });
        },
      },
      attempts: 1,
    });
    expect((await failureOf(none.describe(keyRef))).reason).toBe('unavailable');
  });

  it('keeps a data key out of the error, whatever the SDK’s own holds', async () => {
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    const secret = key.export().toString('base64url').slice(0, 8);
    vault.faults.next('unwrapkey', { garbage: `x${key.export().toString('base64url')}`, status: 500 }, 4);
    const error = await failureOf(kms.unwrap(wrapped, context));
    expect(error.reason).toBe('unavailable');
    expect(inspect(error, { showHidden: true, depth: 9 })).not.toContain(secret);
    expect(error.cause).toBeUndefined();
  });
});

describe('azureKeyManager, the life of a key', () => {
  it('deletes with the vault’s retention, waits until it is done, and once', async () => {
    const made = await kms.createKey(own);
    const { key, wrapped } = await kms.generateDataKey(made, context);
    for (const days of [6, 91, 7.5]) await expect(kms.scheduleDeletion(made, days)).rejects.toBeInstanceOf(ConfigurationError);
    await expect(kms.scheduleDeletion(made, 30)).rejects.toThrow('90 days');
    vault.keys.readsUntilDeleted = 1;
    try {
      await kms.scheduleDeletion(made, 90);
    } finally {
      vault.keys.readsUntilDeleted = 0;
    }
    expect(await kms.describe(made)).toMatchObject({ state: 'pendingDeletion' });
    await kms.scheduleDeletion(made, 90);
    expect((await failureOf(kms.disable(made))).reason).toBe('pendingDeletion');
    expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('pendingDeletion');
    await expect(clientOf(vault).createRsaKey(nameOf(made), { keySize: 2_048 })).rejects.toMatchObject({ statusCode: 409 });
    vault.keys.recover(nameOf(made));
    expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
  });

  it('describes and deletes a disabled key, which the vault lets nobody read', async () => {
    const made = await kms.createKey({ ...own, protection: 'hsm' });
    await vault.keys.create(nameOf(made), { kty: 'RSA-HSM', key_size: 2_048, key_ops: ['sign'], tags: { 'tenancy-protection': 'hsm' } });
    await kms.disable(made);
    await expect(clientOf(vault).getKey(nameOf(made))).rejects.toMatchObject({ statusCode: 403 });
    expect(await kms.describe(made)).toMatchObject({ state: 'disabled', protection: 'hsm', createdAt: expect.any(Date) });
    await expect(kms.scheduleDeletion(made, 30)).rejects.toBeInstanceOf(ConfigurationError);
    await kms.scheduleDeletion(made, 90);
    expect(await kms.describe(made)).toMatchObject({ state: 'pendingDeletion', protection: 'hsm' });
  });

  it('says notFound where it may not see deleted keys', async () => {
    const made = await kms.createKey(own);
    const { wrapped } = await kms.generateDataKey(made, context);
    vault.keys.delete(nameOf(made));
    vault.faults.next('getdeleted', refuse(403, 'Forbidden', 'ForbiddenByRbac'));
    expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('notFound');
  });
});
