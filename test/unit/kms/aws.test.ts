import { inspect } from 'node:util';
import { DecryptCommand, EnableKeyCommand, KMSClient, ListResourceTagsCommand } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newDataKey } from '../../../src/crypto/data-key.ts';
import { ConfigurationError, KeyManagerError } from '../../../src/errors.ts';
import { type AwsKeyManager, type AwsKeyManagerOptions, awsKeyManager } from '../../../src/kms/aws.ts';
import { AwsKmsServer } from '../../support/kms/aws/kms-server.ts';
import type { Fault } from '../../support/kms/faults.ts';
import { ServiceError } from '../../support/kms/service-error.ts';

const context = { tenantId: 'tenant-100', purpose: 'data' };
const own = { tenantId: 'tenant-100', protection: 'software' } as const;
let server: AwsKmsServer;
let kms: AwsKeyManager;
let keyRef: string;

const managerWith = (options: Partial<AwsKeyManagerOptions> = {}): AwsKeyManager =>
  awsKeyManager({ region: server.keys.region, endpoint: server.endpoint, credentials: server.credentials, backoffMs: 1, ...options });

const refuse = (code: string, status = 400): Fault => ({ error: new ServiceError(code, status, 'words of the service') });

async function failureOf(work: Promise<unknown>): Promise<KeyManagerError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(KeyManagerError);
  return error as KeyManagerError;
}

beforeAll(async () => {
  server = await AwsKmsServer.start();
  kms = managerWith({ breakAfter: Infinity });
  keyRef = await kms.createKey(own);
});
afterAll(async () => {
  await kms.close();
  await server.close();
});
beforeEach(() => {
  server.faults.clear();
  server.seen.length = 0;
});

describe('awsKeyManager, requests', () => {
  it('sends the context exactly, and always the key', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    await kms.wrap(keyRef, newDataKey(), context);
    await kms.unwrap(wrapped, context);
    await kms.rewrap(wrapped, context);
    expect(server.seen.map(({ operation, input }) => [operation, input['KeyId'] ?? input['SourceKeyId']])).toEqual([
      ['GenerateDataKey', keyRef],
      ['Encrypt', keyRef],
      ['Decrypt', keyRef],
      ['ReEncrypt', keyRef],
    ]);
    const expected = { tenant: 'tenant-100', purpose: 'data' };
    for (const { input } of server.seen.slice(0, 3)) expect(input['EncryptionContext']).toEqual(expected);
    expect(server.seen[3]!.input).toMatchObject({ SourceEncryptionContext: expected, DestinationEncryptionContext: expected });
  });

  it('makes keys of one region that say whose they are', async () => {
    const made = managerWith({ tags: { team: 'platform' }, keyPolicy: JSON.stringify({ Version: '2012-10-17', Statement: [] }) });
    const arn = await made.createKey(own);
    expect(server.seen[0]!.input).toMatchObject({ MultiRegion: false, Policy: expect.stringContaining('Statement') });
    const client = new KMSClient({ region: server.keys.region, endpoint: server.endpoint, credentials: server.credentials });
    const { Tags } = await client.send(new ListResourceTagsCommand({ KeyId: arn }));
    expect(Tags).toEqual([
      { TagKey: 'team', TagValue: 'platform' },
      { TagKey: 'tenancy:tenant', TagValue: 'tenant-100' },
    ]);
    client.destroy();
    await made.close();
  });

  it('shares one request among identical unwraps on their way', async () => {
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    const opened = await Promise.all(Array.from({ length: 20 }, () => kms.unwrap(wrapped, context)));
    expect(opened.every((one) => one.equals(key))).toBe(true);
    expect(server.requestsFor('Decrypt')).toBe(1);
    await Promise.allSettled([kms.unwrap(wrapped, context), kms.unwrap(wrapped, { ...context, tenantId: 'tenant-200' })]);
    expect(server.requestsFor('Decrypt')).toBe(3);
  });

  it('asks nothing of AWS about what can’t be a key or a ciphertext of this manager', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    server.seen.length = 0;
    for (const strange of [
      keyRef.replace('eu-central-1', 'us-east-1'),
      keyRef.split('/')[1]!,
      keyRef.replace(/key\/.*/, 'alias/mine'),
      keyRef.replace(':kms:', ':s3:'),
      `${keyRef}:more`,
      '',
    ]) {
      expect((await failureOf(kms.unwrap({ ...wrapped, keyRef: strange }, context))).reason).toBe('notFound');
      expect((await failureOf(kms.rewrap(wrapped, context, strange))).reason).toBe('notFound');
      expect((await failureOf(kms.disable(strange))).reason).toBe('notFound');
    }
    for (const size of [0, 6_145])
      expect((await failureOf(kms.unwrap({ ...wrapped, ciphertext: Buffer.alloc(size) }, context))).reason).toBe('invalidCiphertext');
    expect(server.seen).toEqual([]);
  });

  it('uses a client that it is given, of its region only, and leaves it open', async () => {
    const client = new KMSClient({
      region: server.keys.region,
      endpoint: server.endpoint,
      credentials: server.credentials,
      maxAttempts: 1,
    });
    const given = awsKeyManager({ region: server.keys.region, client });
    expect(await given.createKey(own)).toMatch(/^arn:aws:kms:/);
    await given.close();
    const other = awsKeyManager({ region: 'us-east-1', client });
    await expect(other.createKey(own)).rejects.toBeInstanceOf(ConfigurationError);
    const again = awsKeyManager({ region: server.keys.region, client });
    expect((await again.describe(keyRef)).state).toBe('enabled');
    client.destroy();
  });

  it('refuses options that can’t work', () => {
    expect(() => managerWith({ region: '' })).toThrow(ConfigurationError);
    expect(() => managerWith({ attempts: 0 })).toThrow(ConfigurationError);
    expect(inspect(kms)).toBe('AwsKeyManager(aws/eu-central-1)');
  });
});

describe('awsKeyManager, failures', () => {
  it.each([
    ['ThrottlingException', 400, 'throttled', true],
    ['KMSInternalException', 500, 'unavailable', true],
    ['DependencyTimeoutException', 503, 'unavailable', true],
    ['KeyUnavailableException', 500, 'unavailable', true],
    ['SomethingNew', 503, 'unavailable', true],
    ['AccessDeniedException', 400, 'denied', false],
    ['UnrecognizedClientException', 400, 'denied', false],
    ['ExpiredTokenException', 400, 'denied', false],
    ['SomethingNew', 400, 'denied', false],
    ['DisabledException', 400, 'disabled', false],
    ['NotFoundException', 400, 'notFound', false],
    ['InvalidArnException', 400, 'notFound', false],
    ['IncorrectKeyException', 400, 'wrongKey', false],
    ['InvalidKeyUsageException', 400, 'wrongKey', false],
    ['InvalidCiphertextException', 400, 'invalidCiphertext', false],
  ] as const)('reads %s, HTTP %i, as %s', async (code, status, reason, again) => {
    const settled = managerWith({ attempts: 3 });
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    server.faults.next('Decrypt', refuse(code, status), 3);
    const error = await failureOf(settled.unwrap(wrapped, context));
    expect(error).toMatchObject({ reason, retryable: again, tenantId: 'tenant-100' });
    expect(error.message).toContain(code);
    expect(error.message).not.toContain('words of the service');
    expect(server.requestsFor('Decrypt')).toBe(again ? 3 : 1);
    await settled.close();
  });

  it.each<[string, Fault]>([
    ['throttles', refuse('ThrottlingException')],
    ['is in trouble', refuse('KMSInternalException', 500)],
    ['ends the connection', { drop: true }],
    ['answers with text that is no JSON', { garbage: '<html>' }],
    ['answers with a proxy’s page', { garbage: '<html>', status: 502 }],
    ['answers with nothing', { garbage: '{}' }],
    ['does not answer', { hang: true }],
  ])('goes on when AWS %s for a while', async (_, fault) => {
    const patient = managerWith({ attemptMs: 300 });
    const { key, wrapped } = await patient.generateDataKey(keyRef, context);
    server.faults.next('Decrypt', fault, 2);
    expect((await patient.unwrap(wrapped, context)).equals(key)).toBe(true);
    expect(server.requestsFor('Decrypt')).toBe(3);
    await patient.close();
  });

  it('says unavailable when nobody answers, within the deadline', async () => {
    const hasty = managerWith({ deadlineMs: 300, attemptMs: 100 });
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    server.faults.next('Decrypt', { hang: true }, 10);
    expect((await failureOf(hasty.unwrap(wrapped, context))).reason).toBe('unavailable');
    const nobody = managerWith({ endpoint: 'http://127.0.0.1:9', attempts: 1 });
    expect(await failureOf(nobody.unwrap(wrapped, context))).toMatchObject({ reason: 'unavailable', retryable: true });
    await Promise.all([hasty.close(), nobody.close()]);
  });

  it('leaves a key alone that went unanswered too often', async () => {
    const tired = managerWith({ attempts: 1, breakAfter: 2 });
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    server.faults.next('Decrypt', refuse('ThrottlingException'), 2);
    for (let i = 0; i < 4; i += 1) await failureOf(tired.unwrap(wrapped, context));
    expect(server.requestsFor('Decrypt')).toBe(2);
    await tired.disable(await tired.createKey(own));
    await tired.close();
  });

  it('takes an answer from another key for wrongKey', async () => {
    const other = await kms.createKey(own);
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    const lie: Fault = { lie: (answer) => ({ ...answer, KeyId: other }) };
    for (const [operation, work] of [
      ['Decrypt', () => kms.unwrap(wrapped, context)],
      ['Encrypt', () => kms.wrap(keyRef, newDataKey(), context)],
      ['GenerateDataKey', () => kms.generateDataKey(keyRef, context)],
      ['ReEncrypt', () => kms.rewrap(wrapped, context)],
    ] as const) {
      server.faults.next(operation, lie);
      expect((await failureOf(work())).reason).toBe('wrongKey');
    }
  });

  it('takes a plaintext of another length for no data key', async () => {
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    server.faults.next('Decrypt', { lie: (answer) => ({ ...answer, Plaintext: Buffer.alloc(16).toString('base64') }) });
    expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('invalidCiphertext');
  });

  it('keeps a data key out of the error, although the SDK’s own quotes the answer', async () => {
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    const secret = key.export().toString('base64').slice(0, 8);
    const fault: Fault = { garbage: `x${key.export().toString('base64')}` };
    const bare = new KMSClient({ region: server.keys.region, endpoint: server.endpoint, credentials: server.credentials, maxAttempts: 1 });
    server.faults.next('Decrypt', fault);
    const input = { KeyId: keyRef, CiphertextBlob: wrapped.ciphertext };
    const raw = await bare.send(new DecryptCommand(input)).catch((error: unknown) => error);
    expect(String(raw)).toContain(secret);
    bare.destroy();
    server.faults.next('Decrypt', fault, 4);
    const error = await failureOf(kms.unwrap(wrapped, context));
    expect(error.reason).toBe('unavailable');
    expect(inspect(error, { showHidden: true, depth: 9 })).not.toContain(secret);
  });

  it('sets its clock by AWS’s when it is off, and goes on', async () => {
    const skewed = managerWith();
    server.clockAheadMs = 3_600_000;
    try {
      expect((await skewed.describe(keyRef)).state).toBe('enabled');
      expect(server.requestsFor('DescribeKey')).toBe(1);
    } finally {
      server.clockAheadMs = 0;
      await skewed.close();
    }
  });

  it('says denied for a wrong secret, with what to look at', async () => {
    const wrong = managerWith({ credentials: { ...server.credentials, secretAccessKey: 'another' } });
    expect(await failureOf(wrong.describe(keyRef))).toMatchObject({ reason: 'denied', hint: expect.stringContaining('secret') });
    await wrong.close();
  });

  it('says unavailable while there are no credentials: they may come', async () => {
    const none = managerWith({
      credentials: async () => {
        throw Object.assign(new Error('none'), { name: 'CredentialsProviderError' });
      },
      attempts: 1,
    });
    expect(await failureOf(none.describe(keyRef))).toMatchObject({ reason: 'unavailable', hint: expect.stringContaining('credentials') });
    await none.close();
  });
});

describe('awsKeyManager, creation', () => {
  it('takes a used-up quota of keys for permanent, and never makes a key twice', async () => {
    server.faults.next('CreateKey', refuse('LimitExceededException'));
    expect(await failureOf(kms.createKey(own))).toMatchObject({
      reason: 'denied',
      retryable: false,
      hint: expect.stringContaining('quota'),
    });
    server.faults.next('CreateKey', { drop: true });
    expect((await failureOf(kms.createKey(own))).reason).toBe('unavailable');
    expect(server.requestsFor('CreateKey')).toBe(2);
    server.faults.next('CreateKey', refuse('ThrottlingException'));
    expect(await kms.createKey(own)).toMatch(/^arn:/);
  });

  it('waits for a new key that part of AWS does not know yet, and for no other', async () => {
    const made = await kms.createKey(own);
    server.faults.next('GenerateDataKey', refuse('NotFoundException'), 2);
    expect((await kms.generateDataKey(made, context)).wrapped.keyRef).toBe(made);
    const elsewhere = managerWith();
    server.faults.next('GenerateDataKey', refuse('NotFoundException'));
    expect((await failureOf(elsewhere.generateDataKey(made, context))).reason).toBe('notFound');
    await elsewhere.close();
  });

  it('makes HSM keys in a CloudHSM key store only, and says what protects them', async () => {
    const hsm = { tenantId: 'tenant-100', protection: 'hsm' } as const;
    expect(await failureOf(kms.createKey(hsm))).toMatchObject({ reason: 'denied', hint: 'Pass customKeyStoreId.' });
    expect(server.seen).toEqual([]);
    server.limits.customKeyStores.set('cks-1234567890abcdef0', 'CONNECTED').set('cks-off', 'DISCONNECTED');
    const premium = managerWith({ customKeyStoreId: 'cks-1234567890abcdef0' });
    const made = await premium.createKey(hsm);
    expect(await premium.describe(made)).toMatchObject({ protection: 'hsm', state: 'enabled', region: 'eu-central-1' });
    expect(await premium.describe(await premium.createKey(own))).toMatchObject({ protection: 'software' });
    const off = managerWith({ customKeyStoreId: 'cks-off' });
    expect((await failureOf(off.createKey(hsm))).reason).toBe('unavailable');
    const absent = managerWith({ customKeyStoreId: 'cks-none' });
    expect((await failureOf(absent.createKey(hsm))).reason).toBe('notFound');
    await Promise.all([premium.close(), off.close(), absent.close()]);
  });
});

describe('awsKeyManager, the life of a key', () => {
  it('works again with a key that was enabled again', async () => {
    const made = await kms.createKey(own);
    const { key, wrapped } = await kms.generateDataKey(made, context);
    await kms.disable(made);
    expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('disabled');
    const client = new KMSClient({ region: server.keys.region, endpoint: server.endpoint, credentials: server.credentials });
    await client.send(new EnableKeyCommand({ KeyId: made }));
    client.destroy();
    expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
  });

  it('tells the states apart that AWS has one exception for', async () => {
    const made = await kms.createKey(own);
    const { wrapped } = await kms.generateDataKey(made, context);
    const key = server.keys.find(made);
    for (const [state, reason, described] of [
      ['PendingDeletion', 'pendingDeletion', 'pendingDeletion'],
      ['PendingImport', 'disabled', 'disabled'],
      ['Unavailable', 'unavailable', 'disabled'],
      ['Creating', 'unavailable', 'disabled'],
    ] as const) {
      key.state = state;
      expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe(reason);
      expect((await kms.describe(made)).state).toBe(described);
    }
    key.state = 'PendingDeletion';
    server.faults.next('DescribeKey', refuse('AccessDeniedException'));
    expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('pendingDeletion');
    server.faults.next('DescribeKey', refuse('ThrottlingException'), 4);
    expect((await failureOf(kms.unwrap(wrapped, context))).reason).toBe('throttled');
  });

  it('schedules deletion in 7 to 30 days, once, and sooner never', async () => {
    const made = await kms.createKey(own);
    for (const days of [6, 31, 7.5, Number.NaN]) await expect(kms.scheduleDeletion(made, days)).rejects.toBeInstanceOf(ConfigurationError);
    server.faults.next('ScheduleKeyDeletion', { drop: true });
    await kms.scheduleDeletion(made, 14);
    await kms.scheduleDeletion(made, 14);
    await kms.scheduleDeletion(made, 30);
    expect((await failureOf(kms.scheduleDeletion(made, 7))).reason).toBe('pendingDeletion');
    expect((await failureOf(kms.disable(made))).reason).toBe('pendingDeletion');
    expect((server.keys.find(made).deletionDate!.getTime() - Date.now()) / 86_400_000).toBeCloseTo(14, 1);
  });
});
