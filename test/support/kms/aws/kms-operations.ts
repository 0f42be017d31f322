import { randomBytes } from 'node:crypto';
import { ServiceError } from '../service-error.ts';
import type { AwsKey, AwsKeys, EncryptionContext } from './kms-keys.ts';

type Input = Readonly<Record<string, unknown>>;
type Operation = (keys: AwsKeys, input: Input, limits: AwsLimits) => Record<string, unknown>;

/** What the account may do. */
export interface AwsLimits {
  /** The quota of keys. */
  maxKeys: number;
  /** The CloudHSM key stores that exist, and whether each is connected. */
  readonly customKeyStores: Map<string, 'CONNECTED' | 'DISCONNECTED'>;
}

/** The operations that this server knows, as the AWS KMS API Reference describes them. */
export const operations: Readonly<Record<string, Operation>> = {
  CreateKey(keys, input, limits) {
    const { KeySpec = 'SYMMETRIC_DEFAULT', KeyUsage = 'ENCRYPT_DECRYPT', Origin = 'AWS_KMS', CustomKeyStoreId: store, MultiRegion } = input;
    if (KeySpec !== 'SYMMETRIC_DEFAULT' || KeyUsage !== 'ENCRYPT_DECRYPT')
      throw new ServiceError('UnsupportedOperationException', 400, 'This server makes symmetric encryption keys only.');
    if ((Origin === 'AWS_CLOUDHSM') !== (store !== undefined)) throw invalid('Origin AWS_CLOUDHSM and CustomKeyStoreId go together.');
    if (store !== undefined) {
      const connection = limits.customKeyStores.get(String(store));
      if (connection === undefined) throw new ServiceError('CustomKeyStoreNotFoundException', 400, `${store} does not exist.`);
      if (connection !== 'CONNECTED') throw new ServiceError('CustomKeyStoreInvalidStateException', 400, `${store} is not connected.`);
      if (MultiRegion === true) throw new ServiceError('UnsupportedOperationException', 400, 'No multi-Region keys in a custom key store.');
    }
    const tags = new Map((input['Tags'] as { TagKey: string; TagValue: string }[] | undefined)?.map((tag) => [tag.TagKey, tag.TagValue]));
    for (const name of tags.keys()) if (name.startsWith('aws:')) throw new ServiceError('TagException', 400, 'aws: prefixed tag key');
    if (input['Policy'] !== undefined) {
      try {
        if (!Array.isArray((JSON.parse(String(input['Policy'])) as { Statement?: unknown }).Statement)) throw new Error();
      } catch {
        throw new ServiceError('MalformedPolicyDocumentException', 400, 'Policy contains a syntax error.');
      }
    }
    if (keys.size >= limits.maxKeys) throw new ServiceError('LimitExceededException', 400, 'You have reached the limit of KMS keys.');
    const key = keys.make({
      origin: String(Origin),
      customKeyStoreId: store === undefined ? undefined : String(store),
      description: String(input['Description'] ?? ''),
      tags,
    });
    return { KeyMetadata: metadata(key, keys) };
  },
  DescribeKey: (keys, input) => ({ KeyMetadata: metadata(keys.find(keyId(input)), keys) }),
  ListResourceTags: (keys, input) => ({
    Tags: [...keys.find(keyId(input)).tags].map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
    Truncated: false,
  }),
  EnableKey(keys, input) {
    const key = keys.find(keyId(input));
    keys.requireNot(key, 'PendingDeletion', 'PendingImport', 'Unavailable');
    key.state = 'Enabled';
    return {};
  },
  DisableKey(keys, input) {
    const key = keys.find(keyId(input));
    keys.requireNot(key, 'PendingDeletion', 'PendingImport', 'Unavailable');
    key.state = 'Disabled';
    return {};
  },
  ScheduleKeyDeletion(keys, input) {
    const { PendingWindowInDays: days = 30 } = input;
    if (typeof days !== 'number' || !Number.isInteger(days) || days < 7 || days > 30) throw invalid('PendingWindowInDays is not 7 to 30.');
    const key = keys.find(keyId(input));
    keys.requireNot(key, 'PendingDeletion');
    key.state = 'PendingDeletion';
    key.deletionDate = new Date(Date.now() + days * 86_400_000);
    return { KeyId: key.arn, KeyState: key.state, DeletionDate: key.deletionDate.getTime() / 1000, PendingWindowInDays: days };
  },
  CancelKeyDeletion(keys, input) {
    const key = keys.find(keyId(input));
    if (key.state !== 'PendingDeletion') throw new ServiceError('KMSInvalidStateException', 400, `${key.arn} is not pending deletion.`);
    key.state = 'Disabled';
    key.deletionDate = undefined;
    return { KeyId: key.arn };
  },
  GenerateDataKey(keys, input) {
    if (input['KeySpec'] !== 'AES_256') throw invalid('This server generates AES_256 data keys only.');
    const key = keys.usable(keyId(input));
    const plaintext = randomBytes(32);
    const ciphertext = keys.encrypt(key, plaintext, contextOf(input, 'EncryptionContext'));
    return { KeyId: key.arn, Plaintext: plaintext.toString('base64'), CiphertextBlob: ciphertext.toString('base64') };
  },
  Encrypt(keys, input) {
    const plaintext = blob(input, 'Plaintext', 4_096);
    const key = keys.usable(keyId(input));
    const ciphertext = keys.encrypt(key, plaintext, contextOf(input, 'EncryptionContext'));
    return { KeyId: key.arn, CiphertextBlob: ciphertext.toString('base64'), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
  },
  Decrypt(keys, input) {
    const bytes = blob(input, 'CiphertextBlob', 6_144);
    const named = input['KeyId'] === undefined ? undefined : keyId(input);
    const { key, plaintext } = keys.decrypt(bytes, contextOf(input, 'EncryptionContext'), named);
    return { KeyId: key.arn, Plaintext: plaintext.toString('base64'), EncryptionAlgorithm: 'SYMMETRIC_DEFAULT' };
  },
  ReEncrypt(keys, input) {
    const bytes = blob(input, 'CiphertextBlob', 6_144);
    const source = input['SourceKeyId'] === undefined ? undefined : keyId(input, 'SourceKeyId');
    const target = keys.usable(keyId(input, 'DestinationKeyId'));
    const { key, plaintext } = keys.decrypt(bytes, contextOf(input, 'SourceEncryptionContext'), source);
    const ciphertext = keys.encrypt(target, plaintext, contextOf(input, 'DestinationEncryptionContext'));
    return { SourceKeyId: key.arn, KeyId: target.arn, CiphertextBlob: ciphertext.toString('base64') };
  },
};

function metadata(key: AwsKey, keys: AwsKeys): Record<string, unknown> {
  return {
    AWSAccountId: keys.account,
    KeyId: key.id,
    Arn: key.arn,
    CreationDate: key.createdAt.getTime() / 1000,
    Enabled: key.state === 'Enabled',
    Description: key.description,
    KeyUsage: 'ENCRYPT_DECRYPT',
    KeyState: key.state,
    KeyManager: 'CUSTOMER',
    KeySpec: 'SYMMETRIC_DEFAULT',
    Origin: key.origin,
    MultiRegion: false,
    ...(key.customKeyStoreId === undefined ? {} : { CustomKeyStoreId: key.customKeyStoreId }),
    ...(key.deletionDate === undefined ? {} : { DeletionDate: key.deletionDate.getTime() / 1000 }),
  };
}

function keyId(input: Input, name = 'KeyId'): string {
  const value = input[name];
  if (typeof value !== 'string' || value.length < 1 || value.length > 2_048) throw invalid(`${name} must have 1 to 2048 characters.`);
  return value;
}

function blob(input: Input, name: string, longest: number): Buffer {
  const bytes = Buffer.from(String(input[name] ?? ''), 'base64');
  if (bytes.byteLength < 1 || bytes.byteLength > longest) throw invalid(`${name} must have 1 to ${longest} bytes.`);
  return bytes;
}

function contextOf(input: Input, name: string): EncryptionContext {
  const context = input[name] ?? {};
  const entries = Object.entries(context as Record<string, unknown>);
  if (!entries.every(([key, value]) => typeof value === 'string' && !key.startsWith('aws:')))
    throw invalid(`${name} is no map of strings.`);
  if (JSON.stringify(context).length > 8_192) throw invalid(`${name} is too long.`);
  return context as EncryptionContext;
}

function invalid(message: string): ServiceError {
  return new ServiceError('ValidationException', 400, message);
}
