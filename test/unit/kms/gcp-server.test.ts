import { v1 } from '@google-cloud/kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crc32c } from '../../../src/kms/crc32c.ts';
import { GcpKmsServer, type GcpTransport } from '../../support/kms/gcp/kms-server.ts';

/* What the server refuses, as Google does: a suite against a server that takes everything would prove nothing. */
describe.each<GcpTransport>(['grpc', 'rest'])('the server for Google Cloud KMS over %s', (transport) => {
  const parent = 'projects/shop-keys/locations/europe-west3/keyRings/tenants';
  const cryptoKey = {
    purpose: 'ENCRYPT_DECRYPT' as const,
    versionTemplate: { algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION' as const, protectionLevel: 'HSM' as const },
  };
  const once = { retry: null, timeout: 5_000 };
  let server: GcpKmsServer;
  let client: v1.KeyManagementServiceClient;
  let name: string;

  beforeAll(async () => {
    server = await GcpKmsServer.start();
    client = new v1.KeyManagementServiceClient(server.clientOptions(transport));
    const [made] = await client.createCryptoKey({ parent, cryptoKeyId: 'one', cryptoKey }, once);
    name = made.name!;
  });
  afterAll(async () => {
    await client.close();
    await server[Symbol.asyncDispose]();
  });

  /** The status of what a call rejected with, whichever way it came; undefined when it succeeded. */
  async function statusOf(work: Promise<unknown>): Promise<string | undefined> {
    const error = await work.then(
      () => undefined,
      (reason: { code: number; message: string }) => reason,
    );
    if (error === undefined) return undefined;
    if (transport === 'rest') return (JSON.parse(error.message) as { error: { status: string } }).error.status;
    return /^\d+ (\w+)/.exec(error.message)?.[1];
  }

  it('encrypts, and opens for the same context only', async () => {
    const [plaintext, additionalAuthenticatedData] = [Buffer.from('plain'), Buffer.from('context')];
    const [{ ciphertext, verifiedPlaintextCrc32c }] = await client.encrypt({ name, plaintext, additionalAuthenticatedData }, once);
    expect(verifiedPlaintextCrc32c).toBe(false);
    const [opened] = await client.decrypt({ name, ciphertext: ciphertext!, additionalAuthenticatedData }, once);
    expect(Buffer.from(opened.plaintext as Uint8Array)).toEqual(plaintext);
    expect(await statusOf(client.decrypt({ name, ciphertext: ciphertext! }, once))).toBe('INVALID_ARGUMENT');
  });

  it('takes 8 KiB of plaintext and context together in an HSM, and no more', async () => {
    const encrypt = (plain: number, aad: number) =>
      statusOf(client.encrypt({ name, plaintext: Buffer.alloc(plain), additionalAuthenticatedData: Buffer.alloc(aad) }, once));
    expect(await encrypt(8_000, 192)).toBeUndefined();
    expect(await encrypt(8_000, 193)).toBe('INVALID_ARGUMENT');
  });

  it('refuses checksums that do not match', async () => {
    const plaintext = Buffer.from('plain');
    const wrong = { value: crc32c(plaintext) ^ 1 };
    expect(await statusOf(client.encrypt({ name, plaintext, plaintextCrc32c: { value: crc32c(plaintext) } }, once))).toBeUndefined();
    expect(await statusOf(client.encrypt({ name, plaintext, plaintextCrc32c: wrong }, once))).toBe('INVALID_ARGUMENT');
    expect(await statusOf(client.decrypt({ name, ciphertext: plaintext, ciphertextCrc32c: wrong }, once))).toBe('INVALID_ARGUMENT');
  });

  it('refuses keys that can not be made', async () => {
    const create = (cryptoKeyId: string, changed: object = {}, ring = parent) =>
      statusOf(client.createCryptoKey({ parent: ring, cryptoKeyId, cryptoKey: { ...cryptoKey, ...changed } }, once));
    expect(await create('one')).toBe('ALREADY_EXISTS');
    expect(await create('two', {}, `${parent}-absent`)).toBe('NOT_FOUND');
    expect(await create('t'.repeat(64))).toBe('INVALID_ARGUMENT');
    expect(await create('two', { labels: { Upper: 'x' } })).toBe('INVALID_ARGUMENT');
    expect(await create('two', { destroyScheduledDuration: { seconds: 3_600 } })).toBe('INVALID_ARGUMENT');
    expect(await create('two', { purpose: 'ASYMMETRIC_SIGN' })).toBe('INVALID_ARGUMENT');
    expect(await create('two', { destroyScheduledDuration: { seconds: 86_400 } })).toBeUndefined();
  });

  it('destroys a version once, and enables none that is to be destroyed', async () => {
    const version = `${parent}/cryptoKeys/two/cryptoKeyVersions/1`;
    expect(await statusOf(client.destroyCryptoKeyVersion({ name: version }, once))).toBeUndefined();
    expect(await statusOf(client.destroyCryptoKeyVersion({ name: version }, once))).toBe('FAILED_PRECONDITION');
    const enable = { cryptoKeyVersion: { name: version, state: 'ENABLED' as const }, updateMask: { paths: ['state'] } };
    expect(await statusOf(client.updateCryptoKeyVersion(enable, once))).toBe('FAILED_PRECONDITION');
    expect(await statusOf(client.getCryptoKey({ name: `${parent}/cryptoKeys/absent` }, once))).toBe('NOT_FOUND');
  });
});
