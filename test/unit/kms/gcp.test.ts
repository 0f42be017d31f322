import { inspect } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newDataKey } from '../../../src/crypto/data-key.ts';
import { AbortedError, ClosedError, ConfigurationError, KeyManagerError } from '../../../src/errors.ts';
import { crc32c } from '../../../src/kms/crc32c.ts';
import { type GcpKeyManager, type GcpKeyManagerOptions, gcpKeyManager } from '../../../src/kms/gcp.ts';
import type { Fault } from '../../support/kms/faults.ts';
import { GcpKmsServer, type GcpTransport } from '../../support/kms/gcp/kms-server.ts';
import { ServiceError } from '../../support/kms/service-error.ts';

const context = { tenantId: 'tenant-100', purpose: 'data' };
const own = { tenantId: 'tenant-100', protection: 'software' } as const;
const place = { project: 'shop-keys', location: 'europe-west3', keyRing: 'tenants' };

async function failureOf(work: Promise<unknown>): Promise<KeyManagerError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KeyManagerError);
  return error as KeyManagerError;
}

const refuse = (code: string, status: number): Fault => ({ error: new ServiceError(code, status, 'words of the service') });

describe('gcpKeyManager, options', () => {
  it('refuses ids that are none, and times and counts that can not be used', () => {
    for (const name of ['project', 'location', 'keyRing']) {
      for (const value of ['', 'a/b', undefined]) {
        expect(() => gcpKeyManager({ ...place, [name]: value } as GcpKeyManagerOptions)).toThrow(ConfigurationError);
      }
    }
    expect(() => gcpKeyManager({ ...place, destroyDays: 0 })).toThrow('destroyDays');
    expect(() => gcpKeyManager({ ...place, attemptMs: -1 })).toThrow('attemptMs');
    expect(gcpKeyManager({ ...place, project: 'example.com:shop' }).provider).toBe('gcp/europe-west3');
  });
});

describe.each<GcpTransport>(['grpc', 'rest'])('gcpKeyManager over %s', (transport) => {
  let server: GcpKmsServer;
  let kms: GcpKeyManager;
  let keyRef: string;
  const managerWith = (options: Partial<GcpKeyManagerOptions> = {}): GcpKeyManager =>
    gcpKeyManager({ ...place, clientOptions: server.clientOptions(transport), backoffMs: 1, breakAfter: Infinity, ...options });
  const asked = (): string[] => server.requests.map(({ method }) => method);

  beforeAll(async () => {
    server = await GcpKmsServer.start();
    kms = managerWith();
    keyRef = await kms.createKey(own);
  });
  afterAll(async () => {
    await kms.close();
    await server[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    server.faults.clear();
    server.requests.length = 0;
    server.keys.ahead = 0;
    server.keys.generating = 0;
  });

  it('sends checksums of key and context, and names the key alone', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    await kms.unwrap(wrapped, context);
    expect(asked()).toEqual(['Encrypt', 'Decrypt']);
    for (const { request, transport: used } of server.requests) {
      expect(used).toBe(transport);
      expect(request['additionalAuthenticatedDataCrc32c']).toBeDefined();
      expect(request['plaintextCrc32c'] ?? request['ciphertextCrc32c']).toBeDefined();
      expect(request['name']).toBe(keyRef);
    }
    expect(wrapped.keyVersion).toBe('1');
  });

  it('records the primary version, and moves a key to it with rewrap', async () => {
    const ref = await kms.createKey(own);
    const { key, wrapped } = await kms.generateDataKey(ref, context);
    server.keys.rotate(ref);
    expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
    const moved = await kms.rewrap(wrapped, context);
    expect([wrapped.keyVersion, moved.keyVersion]).toEqual(['1', '2']);
    expect((await kms.unwrap(moved, context)).equals(key)).toBe(true);
  });

  it.each([
    ['the wrapped key has another checksum', 'Encrypt', { ciphertextCrc32c: { value: '1' } }],
    ['the wrapped key has none', 'Encrypt', { ciphertextCrc32c: null }],
    ['Google did not compare the key', 'Encrypt', { verifiedPlaintextCrc32c: false }],
    ['Google did not compare the context', 'Encrypt', { verifiedAdditionalAuthenticatedDataCrc32c: false }],
    ['the unwrapped key has another checksum', 'Decrypt', { plaintextCrc32c: { value: '1' } }],
    ['the unwrapped key has none', 'Decrypt', { plaintextCrc32c: null }],
    ['the unwrapped key was changed', 'Decrypt', { plaintext: Buffer.alloc(32) }],
  ])('asks again when %s, and gives nothing out', async (_, method, lie) => {
    const fault: Fault = { lie: (answer) => ({ ...answer, ...lie }) };
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    const work = async (): Promise<unknown> =>
      method === 'Encrypt' ? await kms.unwrap(await kms.wrap(keyRef, key, context), context) : await kms.unwrap(wrapped, context);
    server.faults.next(method, fault);
    expect(key.equals((await work()) as typeof key)).toBe(true);
    server.faults.next(method, fault, 100);
    const failure = await failureOf(work());
    expect(failure).toMatchObject({ reason: 'unavailable', retryable: true });
    expect(asked().filter((name) => name === method).length).toBeGreaterThanOrEqual(6);
  });

  it('believes no answer of another key', async () => {
    const other = await kms.createKey(own);
    server.faults.next('Encrypt', { lie: (answer) => ({ ...answer, name: `${other}/cryptoKeyVersions/1` }) });
    expect(await failureOf(kms.wrap(keyRef, newDataKey(), context))).toMatchObject({ reason: 'wrongKey', retryable: false });
    server.faults.next('GetCryptoKey', { lie: (answer) => ({ ...answer, name: other }) });
    expect(await failureOf(kms.describe(keyRef))).toMatchObject({ reason: 'wrongKey' });
    server.faults.next('ListCryptoKeyVersions', {
      lie: () => ({ cryptoKeyVersions: [{ name: `${other}/cryptoKeyVersions/1`, state: 'ENABLED' }] }),
    });
    expect(await failureOf(kms.disable(keyRef))).toMatchObject({ reason: 'wrongKey' });
    expect((await kms.describe(other)).state).toBe('enabled');
  });

  it('takes bytes of another length for no key', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    const plaintext = Buffer.alloc(16, 7);
    const lie = { plaintext, plaintextCrc32c: { value: String(crc32c(plaintext)) } };
    server.faults.next('Decrypt', { lie: (answer) => ({ ...answer, ...lie }) });
    expect(await failureOf(kms.unwrap(wrapped, context))).toMatchObject({ reason: 'invalidCiphertext', retryable: false });
  });

  it.each([
    ['RESOURCE_EXHAUSTED', 429, 'throttled', true],
    ['UNAVAILABLE', 503, 'unavailable', true],
    ['INTERNAL', 500, 'unavailable', true],
    ['PERMISSION_DENIED', 403, 'denied', false],
    ['UNAUTHENTICATED', 401, 'denied', false],
    ['NOT_FOUND', 404, 'notFound', false],
    ['FAILED_PRECONDITION', 400, 'disabled', false],
    ['INVALID_ARGUMENT', 400, 'invalidCiphertext', false],
    ['UNIMPLEMENTED', 501, 'unavailable', false],
  ])('%s means what it should, and its words stay inside', async (code, status, reason, retryable) => {
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    server.requests.length = 0;
    server.faults.next('Decrypt', refuse(code, status), 100);
    const failure = await failureOf(kms.unwrap(wrapped, context));
    expect(failure).toMatchObject({ reason, retryable });
    expect(asked()).toHaveLength(retryable ? 4 : 1);
    const shown = inspect(failure, { depth: 9, showHidden: true });
    expect(shown).not.toContain('words of the service');
    expect(shown).not.toContain(key.export().toString('base64'));
    server.faults.clear();
    server.faults.next('Decrypt', refuse(code, status));
    const again = await kms.unwrap(wrapped, context).catch(() => undefined);
    expect(again?.equals(key) ?? false).toBe(retryable);
  });

  it('takes a request that arrived changed for an accident, not for wrong bytes', async () => {
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    const error = new ServiceError('INVALID_ARGUMENT', 400, 'The checksum in field ciphertext_crc32c did not match the data.');
    server.faults.next('Decrypt', { error }, 2);
    expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
  });

  it('gives up what is not answered, within its own time', async () => {
    await using hasty = managerWith({ attemptMs: 1_000, deadlineMs: 3_000, attempts: 2 });
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    server.faults.next('Decrypt', { hang: true });
    expect((await hasty.unwrap(wrapped, context)).equals(key)).toBe(true);
    server.faults.next('Decrypt', { hang: true }, 9);
    expect(await failureOf(hasty.unwrap(wrapped, context))).toMatchObject({ reason: 'unavailable', retryable: true });
  });

  it('ends a wait when it is told to, and everything when it is closed', async () => {
    const closing = managerWith();
    const { wrapped } = await closing.generateDataKey(keyRef, context);
    server.faults.next('Decrypt', { hang: true }, 2);
    const abort = new AbortController();
    const waiting = closing.unwrap(wrapped, context, { signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    await expect(waiting).rejects.toBeInstanceOf(AbortedError);
    const open = closing.unwrap(wrapped, context);
    setTimeout(() => void closing.close(), 20);
    await expect(open).rejects.toBeInstanceOf(ClosedError);
  });

  it('asks once for identical unwraps at the same time', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    server.requests.length = 0;
    await Promise.all(Array.from({ length: 20 }, () => kms.unwrap(wrapped, context)));
    expect(asked()).toEqual(['Decrypt']);
  });

  it('leaves a key alone that was not answered for', async () => {
    await using breaking = managerWith({ breakAfter: 2, attempts: 1, breakMs: 60_000 });
    const { wrapped } = await breaking.generateDataKey(keyRef, context);
    server.faults.next('Decrypt', refuse('UNAVAILABLE', 503), 2);
    await failureOf(breaking.unwrap(wrapped, context));
    await failureOf(breaking.unwrap(wrapped, context));
    server.requests.length = 0;
    expect(await failureOf(breaking.unwrap(wrapped, context))).toMatchObject({ reason: 'unavailable' });
    expect(asked()).toEqual([]);
  });

  it('has made a key whose answer was lost, once', async () => {
    const before = server.keys.size;
    server.faults.next('CreateCryptoKey', {
      lie: () => {
        throw new ServiceError('UNAVAILABLE', 503, 'lost');
      },
    });
    const ref = await kms.createKey(own);
    expect(server.keys.size).toBe(before + 1);
    expect((await kms.describe(ref)).state).toBe('enabled');
    expect(asked()).toEqual(['CreateCryptoKey', 'CreateCryptoKey', 'GetCryptoKey', 'GetCryptoKey']);
  });

  it('makes keys in HSMs, and waits until they are there', async () => {
    server.keys.generating = 2;
    const ref = await kms.createKey({ tenantId: 'tenant-100', protection: 'hsm' });
    const { key, wrapped } = await kms.generateDataKey(ref, context);
    expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
    expect(await kms.describe(ref)).toMatchObject({ protection: 'hsm', state: 'enabled', region: 'europe-west3' });
  });

  it('asks nothing about a key of another ring', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    server.requests.length = 0;
    for (const foreign of [
      keyRef.replace('europe-west3', 'us-east1'),
      keyRef.replace('tenants', 'others'),
      `${keyRef}/cryptoKeyVersions/1`,
      'x',
    ]) {
      expect(await failureOf(kms.unwrap({ ...wrapped, keyRef: foreign }, context))).toMatchObject({ reason: 'notFound' });
      expect(await failureOf(kms.wrap(foreign, newDataKey(), context))).toMatchObject({ reason: 'notFound' });
      expect(await failureOf(kms.describe(foreign))).toMatchObject({ reason: 'notFound' });
    }
    expect(asked()).toEqual([]);
  });

  it('disables every version, so that old wrapped keys stay shut too', async () => {
    const ref = await kms.createKey(own);
    const { wrapped } = await kms.generateDataKey(ref, context);
    server.keys.rotate(ref);
    await kms.disable(ref);
    expect(await failureOf(kms.unwrap(wrapped, context))).toMatchObject({ reason: 'disabled' });
    server.keys.setState(`${ref}/cryptoKeyVersions/2`, 'ENABLED');
    expect(await failureOf(kms.unwrap(wrapped, context))).toMatchObject({ reason: 'disabled' });
    server.keys.setState(`${ref}/cryptoKeyVersions/1`, 'ENABLED');
    await kms.unwrap(wrapped, context);
  });

  it('schedules the destruction of every version, which can be restored until its time', async () => {
    const ref = await kms.createKey(own);
    const { key, wrapped } = await kms.generateDataKey(ref, context);
    server.keys.rotate(ref);
    await expect(kms.scheduleDeletion(ref, 7)).rejects.toThrow('give 30');
    await kms.scheduleDeletion(ref, 30);
    await kms.scheduleDeletion(ref, 30);
    expect(await failureOf(kms.disable(ref))).toMatchObject({ reason: 'pendingDeletion' });
    server.keys.ahead = 29 * 86_400_000;
    expect(await failureOf(kms.unwrap(wrapped, context))).toMatchObject({ reason: 'pendingDeletion' });
    server.keys.setState(`${ref}/cryptoKeyVersions/1`, 'ENABLED');
    expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
    await kms.scheduleDeletion(ref, 30);
    server.keys.ahead = 60 * 86_400_000;
    expect(await failureOf(kms.unwrap(wrapped, context))).toMatchObject({ reason: 'notFound' });
    for (const work of [kms.describe(ref), kms.disable(ref), kms.scheduleDeletion(ref, 30)])
      expect(await failureOf(work)).toMatchObject({ reason: 'notFound' });
  });

  it('makes keys with the days that it is told', async () => {
    await using brief = managerWith({ destroyDays: 1 });
    const ref = await brief.createKey(own);
    await brief.scheduleDeletion(ref, 1);
    expect((await brief.describe(ref)).state).toBe('pendingDeletion');
  });

  it('shows nothing of its client', () => {
    expect(inspect(kms, { depth: 9 })).toBe('GcpKeyManager(projects/shop-keys/locations/europe-west3/keyRings/tenants)');
  });
});

it('an answer of something in between, over REST, proves nothing of a key', async () => {
  await using server = await GcpKmsServer.start();
  await using kms = gcpKeyManager({ ...place, clientOptions: server.clientOptions('rest'), backoffMs: 1 });
  const keyRef = await kms.createKey(own);
  const { wrapped } = await kms.generateDataKey(keyRef, context);
  for (const fault of [{ garbage: '<html>', status: 404 }, { garbage: '<html>', status: 403 }, { garbage: '<html>' }]) {
    server.faults.next('Decrypt', fault, 4);
    expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('unavailable');
    server.faults.clear();
  }
});

it('a machine that is not there is unavailable, and so is one that is not listening', async () => {
  const server = await GcpKmsServer.start();
  const options = server.clientOptions('grpc');
  await server[Symbol.asyncDispose]();
  await using kms = gcpKeyManager({ ...place, clientOptions: options, attemptMs: 100, deadlineMs: 300 });
  expect(await failureOf(kms.createKey(own))).toMatchObject({ reason: 'unavailable', retryable: true });
});
