import { KeyClient, type KeyVaultKey } from '@azure/keyvault-keys';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VaultServer } from '../../support/kms/azure/vault-server.ts';

/* The server that stands for Azure Key Vault in tests, seen through the real SDK: it must refuse what Azure refuses. */

let vault: VaultServer;
let hsm: VaultServer;
let key: KeyVaultKey;

const clientOf = (server: VaultServer, credential: ConstructorParameters<typeof KeyClient>[1] = server.credential): KeyClient =>
  new KeyClient(server.url, credential, {
    allowInsecureConnection: true,
    disableChallengeResourceVerification: true,
    retryOptions: { maxRetries: 0 },
  });

async function refusalOf(work: Promise<unknown>): Promise<readonly [unknown, unknown, unknown] | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    const { statusCode, code, details } = error as {
      statusCode?: number;
      code?: string;
      details?: { error?: { innerError?: { code?: string } } };
    };
    return [statusCode, code, details?.error?.innerError?.code];
  }
}

beforeAll(async () => {
  vault = await VaultServer.start({ premium: false });
  hsm = await VaultServer.start({ managedHsm: true });
  key = await clientOf(vault).createRsaKey('first', { keySize: 2_048, keyOps: ['wrapKey', 'unwrapKey'] });
});
afterAll(() => Promise.all([vault.close(), hsm.close()]));

describe('the Key Vault server, tokens', () => {
  it('challenges a first request, which the SDK sends empty', async () => {
    const before = { ...vault.challenged };
    await clientOf(vault).createRsaKey('challenged', { keySize: 2_048 });
    expect(vault.challenged).toEqual({ times: before.times + 1, bodyBytes: before.bodyBytes });
  });

  it('refuses a token that it did not give, and one that was revoked', async () => {
    const made = clientOf(vault, { getToken: async () => ({ token: 'made-up', expiresOnTimestamp: Date.now() + 3_600_000 }) });
    expect((await refusalOf(made.getKey('first')))?.[0]).toBe(401);
    const { token } = await vault.credential.getToken('https://vault.azure.net/.default', {
      tenantId: 'f1e2d3c4-0000-1111-2222-333344445555',
    });
    const get = (): Promise<Response> =>
      fetch(`${vault.url}/keys/first?api-version=7.6`, { headers: { authorization: `Bearer ${token}` } });
    expect((await get()).status).toBe(200);
    vault.revokeTokens();
    expect((await get()).status).toBe(401);
  });

  it('gives tokens for its own scope and directory only', async () => {
    await expect(vault.credential.getToken('https://storage.azure.com/.default', {})).rejects.toThrow('invalid_scope');
    await expect(vault.credential.getToken('https://vault.azure.net/.default', { tenantId: 'other' })).rejects.toThrow();
  });
});

describe('the Key Vault server, keys', () => {
  it('wraps and unwraps with one version, and with no other', async () => {
    const client = clientOf(vault);
    const first = client.getCryptographyClient('first', { keyVersion: key.properties.version! });
    const { result } = await first.wrapKey('RSA-OAEP-256', Buffer.from('secret'));
    expect(Buffer.from((await first.unwrapKey('RSA-OAEP-256', result)).result).toString()).toBe('secret');
    const next = await client.createRsaKey('first', { keySize: 2_048, keyOps: ['wrapKey', 'unwrapKey'] });
    const second = client.getCryptographyClient('first', { keyVersion: next.properties.version! });
    expect((await refusalOf(second.unwrapKey('RSA-OAEP-256', result)))?.[0]).toBe(400);
    expect(await refusalOf(client.getKey('first', { version: '0'.repeat(32) }))).toEqual([404, 'KeyNotFound', undefined]);
    expect((await client.getKey('first')).properties.version).toBe(next.properties.version);
  });

  it('refuses what the key may not do, and everything with a disabled one', async () => {
    const client = clientOf(vault);
    const made = await client.createRsaKey('bounded', { keySize: 2_048, keyOps: ['unwrapKey', 'sign'] });
    const crypto = client.getCryptographyClient('bounded');
    await expect(crypto.wrapKey('RSA-OAEP-256', Buffer.from('x'))).rejects.toThrow();
    const digest = Buffer.alloc(32, 7);
    expect((await crypto.sign('PS256', digest)).result.byteLength).toBe(256);
    await client.updateKeyProperties('bounded', made.properties.version!, { enabled: false });
    expect(await refusalOf(crypto.sign('PS256', digest))).toEqual([403, 'Forbidden', 'KeyDisabled']);
    expect(await refusalOf(client.getKey('bounded'))).toEqual([403, 'Forbidden', 'KeyDisabled']);
    const listed = await client.listPropertiesOfKeyVersions('bounded').next();
    expect(listed.value.enabled).toBe(false);
  });

  it('signs what OpenSSL verifies', async () => {
    const { createHash, createPublicKey, constants, verify } = await import('node:crypto');
    const client = clientOf(vault);
    const made = await client.createRsaKey('signer', { keySize: 2_048, keyOps: ['sign'] });
    const data = Buffer.from('data');
    const digest = createHash('sha256').update(data).digest();
    const { result } = await client.getCryptographyClient('signer').sign('PS256', digest);
    const [n, e] = [made.key!.n!, made.key!.e!].map((bytes) => Buffer.from(bytes).toString('base64url'));
    const publicKey = createPublicKey({ format: 'jwk', key: { kty: 'RSA', n: n!, e: e! } });
    const pss = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
    expect(verify('sha256', data, pss, result)).toBe(true);
    expect(verify('sha256', Buffer.from('other'), pss, result)).toBe(false);
  });

  it('keeps a deleted name from being used again until it is recovered', async () => {
    const client = clientOf(vault);
    await client.createRsaKey('gone', { keySize: 2_048 });
    const poller = await client.beginDeleteKey('gone', { intervalInMs: 10 });
    await poller.pollUntilDone();
    expect(await refusalOf(client.getKey('gone'))).toEqual([404, 'KeyNotFound', undefined]);
    expect((await client.getDeletedKey('gone')).properties.recoverableDays).toBe(90);
    expect(await refusalOf(client.createRsaKey('gone', { keySize: 2_048 }))).toEqual([409, 'Conflict', 'ObjectIsDeletedButRecoverable']);
    const recovery = await client.beginRecoverDeletedKey('gone', { intervalInMs: 10 });
    await recovery.pollUntilDone();
    expect((await client.getKey('gone')).name).toBe('gone');
  });

  it('has keys in HSMs where Azure has them', async () => {
    expect((await refusalOf(clientOf(vault).createRsaKey('hsm', { hsm: true, keySize: 2_048 })))?.[0]).toBe(400);
    expect((await refusalOf(clientOf(vault).createOctKey('aes', { hsm: true, keySize: 256 })))?.[0]).toBe(400);
    expect((await refusalOf(clientOf(hsm).createRsaKey('soft', { keySize: 2_048 })))?.[0]).toBe(400);
    const client = clientOf(hsm);
    await client.createOctKey('aes', { hsm: true, keySize: 256, keyOps: ['encrypt', 'decrypt'] });
    const crypto = client.getCryptographyClient('aes');
    const aad = Buffer.from('context');
    const sealed = await crypto.encrypt({ algorithm: 'A256GCM', plaintext: Buffer.from('secret'), additionalAuthenticatedData: aad });
    const open = (additionalAuthenticatedData: Uint8Array): Promise<{ result: Uint8Array }> =>
      crypto.decrypt({
        algorithm: 'A256GCM',
        ciphertext: sealed.result,
        iv: sealed.iv!,
        authenticationTag: sealed.authenticationTag!,
        additionalAuthenticatedData,
      });
    expect(Buffer.from((await open(aad)).result).toString()).toBe('secret');
    expect((await refusalOf(open(Buffer.from('other'))))?.[0]).toBe(400);
  });
});
