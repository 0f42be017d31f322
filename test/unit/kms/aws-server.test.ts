import {
  CancelKeyDeletionCommand,
  CreateKeyCommand,
  DecryptCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  KMSClient,
  type KMSServiceException,
  ListResourceTagsCommand,
  ReEncryptCommand,
  ScheduleKeyDeletionCommand,
} from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AwsKmsServer } from '../../support/kms/aws/kms-server.ts';

/* The server that stands for AWS KMS in tests, seen through the real SDK: it must refuse what AWS refuses. */

let server: AwsKmsServer;
let client: KMSClient;
let keyId: string;

const clientWith = (options: ConstructorParameters<typeof KMSClient>[0] = {}): KMSClient =>
  new KMSClient({ region: server.keys.region, endpoint: server.endpoint, credentials: server.credentials, maxAttempts: 1, ...options });

async function refusalOf(work: Promise<unknown>): Promise<{ name: string; status: number | undefined } | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    const { name, $metadata } = error as KMSServiceException;
    return { name, status: $metadata?.httpStatusCode };
  }
}

beforeAll(async () => {
  server = await AwsKmsServer.start();
  client = clientWith();
  keyId = (await client.send(new CreateKeyCommand({}))).KeyMetadata!.Arn!;
});
afterAll(async () => {
  client.destroy();
  await server.close();
});

describe('the AWS KMS server, signatures', () => {
  const describeKey = (): DescribeKeyCommand => new DescribeKeyCommand({ KeyId: keyId });

  it('takes a good one', async () => {
    expect(await refusalOf(client.send(describeKey()))).toBeUndefined();
  });

  it('refuses another secret', async () => {
    const wrong = clientWith({ credentials: { ...server.credentials, secretAccessKey: 'another' } });
    expect(await refusalOf(wrong.send(describeKey()))).toEqual({ name: 'InvalidSignatureException', status: 400 });
  });

  it('refuses an access key that it does not know, and a session that it did not give', async () => {
    for (const credentials of [
      { ...server.credentials, accessKeyId: 'AKIDOTHER' },
      { ...server.credentials, sessionToken: 'made-up' },
    ]) {
      expect(await refusalOf(clientWith({ credentials }).send(describeKey()))).toEqual({
        name: 'UnrecognizedClientException',
        status: 400,
      });
    }
  });

  it('takes temporary credentials with their token only', async () => {
    const temporary = { accessKeyId: 'ASIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' };
    const other = await AwsKmsServer.start('eu-central-1', temporary);
    try {
      const create = new CreateKeyCommand({});
      const withToken = clientWith({ endpoint: other.endpoint, credentials: temporary });
      expect(await refusalOf(withToken.send(create))).toBeUndefined();
      const without = { accessKeyId: temporary.accessKeyId, secretAccessKey: temporary.secretAccessKey };
      expect(await refusalOf(clientWith({ endpoint: other.endpoint, credentials: without }).send(create))).toMatchObject({ status: 400 });
    } finally {
      await other.close();
    }
  });

  it('refuses another region', async () => {
    expect(await refusalOf(clientWith({ region: 'us-east-1' }).send(describeKey()))).toMatchObject({ name: 'InvalidSignatureException' });
  });

  it.each([-6, 6])('refuses a clock that is %i minutes off', async (minutes) => {
    const skewed = clientWith({ systemClockOffset: minutes * 60_000 });
    expect(await refusalOf(skewed.send(describeKey()))).toMatchObject({ name: 'InvalidSignatureException', status: 400 });
  });

  it('refuses a body, a target or a date changed after signing', async () => {
    for (const change of [
      (request: { body: Uint8Array }) => {
        request.body = Buffer.from(Buffer.from(request.body).toString().replace('"KeyId"', '"keyId"'));
      },
      (request: { headers: Record<string, string> }) => {
        request.headers['x-amz-target'] = 'TrentService.DisableKey';
      },
      (request: { headers: Record<string, string> }) => {
        request.headers['x-amz-date'] = '20200101T000000Z';
      },
    ]) {
      const meddled = clientWith();
      meddled.middlewareStack.add(
        (next) => (args) => {
          change(args.request as { body: Uint8Array; headers: Record<string, string> });
          return next(args);
        },
        { step: 'finalizeRequest', priority: 'low', override: true, name: 'meddle' },
      );
      expect(await refusalOf(meddled.send(describeKey()))).toMatchObject({ name: 'InvalidSignatureException' });
    }
  });

  it('refuses a request without one', async () => {
    const response = await fetch(server.endpoint, { method: 'POST', headers: { 'x-amz-target': 'TrentService.DescribeKey' }, body: '{}' });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ __type: 'MissingAuthenticationTokenException' });
  });
});

describe('the AWS KMS server, encryption', () => {
  const context = { tenant: 'a', purpose: 'b' };

  it('opens what it encrypted, under the same key and context only', async () => {
    const { CiphertextBlob } = await client.send(
      new EncryptCommand({ KeyId: keyId, Plaintext: Buffer.from('secret'), EncryptionContext: context }),
    );
    const open = (input: object): Promise<unknown> =>
      client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: context, ...input }));
    const opened = await client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext: { purpose: 'b', tenant: 'a' } }));
    expect(opened).toMatchObject({ KeyId: keyId });
    expect(Buffer.from(opened.Plaintext!).toString()).toBe('secret');
    const other = (await client.send(new CreateKeyCommand({}))).KeyMetadata!.Arn!;
    expect(await refusalOf(open({ KeyId: other }))).toEqual({ name: 'IncorrectKeyException', status: 400 });
    for (const EncryptionContext of [{}, { tenant: 'a' }, { tenant: 'a', purpose: 'B' }, { ...context, more: 'c' }])
      expect(await refusalOf(open({ EncryptionContext }))).toEqual({ name: 'InvalidCiphertextException', status: 400 });
    const changed = Buffer.from(CiphertextBlob!);
    changed[changed.byteLength - 20]! ^= 1;
    expect(await refusalOf(open({ CiphertextBlob: changed }))).toEqual({ name: 'InvalidCiphertextException', status: 400 });
    expect(await refusalOf(open({ CiphertextBlob: Buffer.alloc(0) }))).toEqual({ name: 'ValidationException', status: 400 });
  });

  it('generates keys that Decrypt gives back, and moves them with ReEncrypt', async () => {
    const made = await client.send(new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: 'AES_256', EncryptionContext: context }));
    const other = (await client.send(new CreateKeyCommand({}))).KeyMetadata!.Arn!;
    const moved = await client.send(
      new ReEncryptCommand({
        CiphertextBlob: made.CiphertextBlob,
        SourceEncryptionContext: context,
        DestinationKeyId: other,
        DestinationEncryptionContext: { tenant: 'z' },
      }),
    );
    const opened = await client.send(
      new DecryptCommand({ KeyId: other, CiphertextBlob: moved.CiphertextBlob, EncryptionContext: { tenant: 'z' } }),
    );
    expect(opened.Plaintext).toEqual(made.Plaintext);
  });
});

describe('the AWS KMS server, states', () => {
  it('goes through them as the key state table says', async () => {
    const KeyId = (await client.send(new CreateKeyCommand({}))).KeyMetadata!.Arn!;
    const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') }));
    const work = [
      () => client.send(new EncryptCommand({ KeyId, Plaintext: Buffer.from('x') })),
      () => client.send(new DecryptCommand({ CiphertextBlob })),
      () => client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' })),
      () => client.send(new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: KeyId })),
    ];
    const state = async (): Promise<string | undefined> => (await client.send(new DescribeKeyCommand({ KeyId }))).KeyMetadata?.KeyState;
    await client.send(new DisableKeyCommand({ KeyId }));
    expect(await state()).toBe('Disabled');
    for (const one of work) expect(await refusalOf(one())).toEqual({ name: 'DisabledException', status: 400 });
    await client.send(new EnableKeyCommand({ KeyId }));
    for (const one of work) expect(await refusalOf(one())).toBeUndefined();
    for (const days of [6, 31])
      expect(await refusalOf(client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: days })))).toMatchObject({
        name: 'ValidationException',
      });
    expect(await refusalOf(client.send(new CancelKeyDeletionCommand({ KeyId })))).toMatchObject({ name: 'KMSInvalidStateException' });
    await client.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
    expect(await state()).toBe('PendingDeletion');
    for (const one of [
      ...work,
      () => client.send(new DisableKeyCommand({ KeyId })),
      () => client.send(new EnableKeyCommand({ KeyId })),
      () => client.send(new ScheduleKeyDeletionCommand({ KeyId })),
    ]) {
      expect(await refusalOf(one())).toEqual({ name: 'KMSInvalidStateException', status: 400 });
    }
    await client.send(new CancelKeyDeletionCommand({ KeyId }));
    expect(await state()).toBe('Disabled');
  });

  it('refuses keys that are not there, other regions and accounts', async () => {
    for (const KeyId of [
      `${keyId}-absent`,
      'none',
      keyId.replace('eu-central-1', 'us-east-1'),
      keyId.replace('111122223333', '999999999999'),
    ])
      expect(await refusalOf(client.send(new DescribeKeyCommand({ KeyId })))).toEqual({ name: 'NotFoundException', status: 400 });
  });

  it('makes keys within what AWS allows', async () => {
    server.limits.customKeyStores.set('cks-1', 'CONNECTED').set('cks-2', 'DISCONNECTED');
    const cases: [object, string][] = [
      [{ Origin: 'AWS_CLOUDHSM' }, 'ValidationException'],
      [{ CustomKeyStoreId: 'cks-1' }, 'ValidationException'],
      [{ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: 'cks-0' }, 'CustomKeyStoreNotFoundException'],
      [{ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: 'cks-2' }, 'CustomKeyStoreInvalidStateException'],
      [{ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: 'cks-1', MultiRegion: true }, 'UnsupportedOperationException'],
      [{ Tags: [{ TagKey: 'aws:mine', TagValue: '' }] }, 'TagException'],
      [{ Policy: '{' }, 'MalformedPolicyDocumentException'],
    ];
    for (const [input, name] of cases) expect(await refusalOf(client.send(new CreateKeyCommand(input)))).toEqual({ name, status: 400 });
    const { KeyMetadata } = await client.send(
      new CreateKeyCommand({ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: 'cks-1', Tags: [{ TagKey: 'a', TagValue: 'b' }] }),
    );
    expect(KeyMetadata).toMatchObject({ Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: 'cks-1', KeyState: 'Enabled' });
    const tags = await client.send(new ListResourceTagsCommand({ KeyId: KeyMetadata!.KeyId }));
    expect(tags.Tags).toEqual([{ TagKey: 'a', TagValue: 'b' }]);
    server.limits.maxKeys = server.keys.size;
    expect(await refusalOf(client.send(new CreateKeyCommand({})))).toEqual({ name: 'LimitExceededException', status: 400 });
    server.limits.maxKeys = 100_000;
  });
});
