import type { KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import type { CreateKeyCommandInput, KeyMetadata } from '@aws-sdk/client-kms';
import { requireDataKey } from '../crypto/data-key.ts';
import { ConfigurationError, KeyManagerError } from '../errors.ts';
import { parseTenantId } from '../tenant/tenant-id.ts';
import { AwsAnswers } from './aws-answers.ts';
import { AwsClient, type AwsSdk } from './aws-client.ts';
import { awsFailure } from './aws-failure.ts';
import { isKeyArn } from './aws-key-arn.ts';
import { failureOf, stateOf } from './aws-key-state.ts';
import type { AwsKeyManagerOptions } from './aws-options.ts';
import { keyFailure } from './key-failure.ts';
import type {
  GeneratedDataKey,
  HsmKeys,
  KeyContext,
  KeyDescription,
  KeyManager,
  KeyManagerCall,
  KeyProtection,
  WrappedKey,
} from './key-manager.ts';
import { RemoteCalls, type RemoteFailure, type RemoteRequest } from './remote-calls.ts';
import { identityOf, requireWrappedBy } from './remote-wrapping.ts';
import { SettlingKeys } from './settling-keys.ts';

export type { AwsKeyManagerOptions } from './aws-options.ts';

const longestCiphertext = 6_144;

/**
 * A key manager whose KEKs are symmetric keys of AWS KMS, named by their ARN. Needs the optional peer `@aws-sdk/client-kms`.
 *
 * A wrapped key is AWS's ciphertext as it is, bound to the encryption context `{ tenant, purpose }`. Decrypt always names the key, and an
 * answer that names another is `wrongKey`. See docs/kms-aws.md for permissions, logs, limits and failures.
 *
 * @example
 * ```ts
 * const kms = awsKeyManager({ region: 'eu-central-1' });
 * const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
 * ```
 * @throws {ConfigurationError} when the region is empty, or a time or count can't be used
 */
export function awsKeyManager(options: AwsKeyManagerOptions): AwsKeyManager {
  return new AwsKeyManager(options);
}

/**
 * Made by {@link awsKeyManager}.
 *
 * @example
 * ```ts
 * await using kms = awsKeyManager({ region: 'eu-central-1' });
 * const { state } = await kms.describe(keyRef);
 * ```
 */
export class AwsKeyManager implements KeyManager {
  /** What wrapped keys name this manager by. */
  readonly provider: string;
  /** The region of its keys. */
  readonly region: string;
  /** `hsm` with a `customKeyStoreId`, else `none`. */
  readonly hsmKeys: HsmKeys;
  readonly #options: AwsKeyManagerOptions;
  readonly #client: AwsClient;
  readonly #answers: AwsAnswers;
  readonly #calls: RemoteCalls;
  readonly #settling = new SettlingKeys();

  /** @throws {ConfigurationError} when the region is empty, or a time or count can't be used */
  constructor(options: AwsKeyManagerOptions) {
    if (typeof options.region !== 'string' || options.region === '') throw new ConfigurationError('awsKeyManager needs a region.');
    this.#options = Object.freeze({ ...options });
    this.region = options.region;
    this.hsmKeys = options.customKeyStoreId === undefined ? 'none' : 'hsm';
    this.provider = options.provider ?? `aws/${options.region}`;
    this.#client = new AwsClient(options);
    this.#answers = new AwsAnswers(this.provider);
    this.#calls = new RemoteCalls({ ...options, provider: this.provider, classify: awsFailure });
  }

  /**
   * Makes a symmetric key in this region and answers with its ARN. When AWS's answer is lost a key may be left over that nobody uses; its
   * tag `tenancy:tenant` tells.
   *
   * @throws {KeyManagerError} `denied` for `hsm` without `customKeyStoreId`, and when the account's quota of keys is used up
   * @throws {InvalidTenantIdError} when the tenant id is none, nor `platform`
   */
  async createKey(request: { readonly tenantId: string; readonly protection: KeyProtection }, call?: KeyManagerCall): Promise<string> {
    const { tenantId, protection } = request;
    const { customKeyStoreId, keyPolicy, tags = {} } = this.#options;
    if (tenantId !== 'platform') parseTenantId(tenantId);
    if (protection === 'hsm' && customKeyStoreId === undefined) {
      throw new KeyManagerError(`A key in an HSM was asked for tenant ${tenantId}, and ${this.provider} has no CloudHSM key store.`, {
        reason: 'denied',
        tenantId,
        hint: 'Pass customKeyStoreId.',
      });
    }
    const input: CreateKeyCommandInput = {
      KeySpec: 'SYMMETRIC_DEFAULT',
      KeyUsage: 'ENCRYPT_DECRYPT',
      MultiRegion: false,
      Description: `KEK of ${tenantId === 'platform' ? 'the platform' : `tenant ${tenantId}`}`,
      Tags: Object.entries({ ...tags, 'tenancy:tenant': tenantId }).map(([TagKey, TagValue]) => ({ TagKey, TagValue })),
      ...(keyPolicy === undefined ? {} : { Policy: keyPolicy }),
      ...(protection === 'hsm' && customKeyStoreId !== undefined ? { Origin: 'AWS_CLOUDHSM', CustomKeyStoreId: customKeyStoreId } : {}),
    };
    return this.#run({ doing: 'create a key', tenantId, repeatable: false }, call, async ({ client, commands }, abortSignal) => {
      const { KeyMetadata: made } = await client.send(new commands.CreateKeyCommand(input), { abortSignal });
      if (made?.Arn === undefined || !isKeyArn(made.Arn, this.region)) throw this.#answers.strange('a new key', 'of this region');
      this.#settling.add(made.Arn);
      return made.Arn;
    });
  }

  /** A fresh 32-byte key from AWS's random number generator, plain and wrapped. */
  async generateDataKey(keyRef: string, context: KeyContext, call?: KeyManagerCall): Promise<GeneratedDataKey> {
    const request = { keyRef, doing: 'generate a data key', tenantId: context.tenantId };
    return this.#run(request, call, async ({ client, commands }, abortSignal) => {
      const input = { KeyId: keyRef, KeySpec: 'AES_256', EncryptionContext: encryptionContext(context) } as const;
      const answer = await client.send(new commands.GenerateDataKeyCommand(input), { abortSignal });
      this.#answers.requireKey(answer.KeyId, keyRef);
      return { key: this.#answers.keyOf(answer.Plaintext, 'unavailable'), wrapped: this.#answers.wrapped(keyRef, answer.CiphertextBlob) };
    });
  }

  /** Wraps a key. @throws {ConfigurationError} when the key has not 32 bytes */
  async wrap(keyRef: string, key: KeyObject, context: KeyContext, call?: KeyManagerCall): Promise<WrappedKey> {
    requireDataKey(key);
    return this.#run({ keyRef, doing: 'wrap', tenantId: context.tenantId }, call, async ({ client, commands }, abortSignal) => {
      const plaintext = key.export();
      try {
        const input = { KeyId: keyRef, Plaintext: plaintext, EncryptionContext: encryptionContext(context) };
        const answer = await client.send(new commands.EncryptCommand(input), { abortSignal });
        this.#answers.requireKey(answer.KeyId, keyRef);
        return this.#answers.wrapped(keyRef, answer.CiphertextBlob);
      } finally {
        plaintext.fill(0);
      }
    });
  }

  /** Opens a wrapped key; {@link KeyManager.unwrap} says what it refuses. The same unwrap, asked for while one is on its way, is one request. */
  async unwrap(wrapped: WrappedKey, context: KeyContext, call?: KeyManagerCall): Promise<KeyObject> {
    const { keyRef, ciphertext } = this.#mine(wrapped, context);
    const request = { keyRef, doing: 'unwrap', tenantId: context.tenantId, share: identityOf(wrapped, context) };
    return this.#run(request, call, async ({ client, commands }, abortSignal) => {
      const input = { KeyId: keyRef, CiphertextBlob: ciphertext, EncryptionContext: encryptionContext(context) };
      const answer = await client.send(new commands.DecryptCommand(input), { abortSignal });
      this.#answers.requireKey(answer.KeyId, keyRef);
      return this.#answers.keyOf(answer.Plaintext, 'invalidCiphertext');
    });
  }

  /** Wraps the same key anew inside AWS (ReEncrypt): this process does not see it. A target must be one of this manager's keys too. */
  async rewrap(wrapped: WrappedKey, context: KeyContext, target?: string, call?: KeyManagerCall): Promise<WrappedKey> {
    const { keyRef, ciphertext } = this.#mine(wrapped, context);
    const destination = target ?? keyRef;
    this.#requireOwn(destination, context);
    return this.#run({ keyRef, doing: 'rewrap', tenantId: context.tenantId }, call, async ({ client, commands }, abortSignal) => {
      const input = {
        CiphertextBlob: ciphertext,
        SourceKeyId: keyRef,
        SourceEncryptionContext: encryptionContext(context),
        DestinationKeyId: destination,
        DestinationEncryptionContext: encryptionContext(context),
      };
      const answer = await client.send(new commands.ReEncryptCommand(input), { abortSignal });
      this.#answers.requireKey(answer.SourceKeyId, keyRef);
      this.#answers.requireKey(answer.KeyId, destination);
      return this.#answers.wrapped(destination, answer.CiphertextBlob);
    });
  }

  /** A key's state. It is `hsm` only in a CloudHSM key store; AWS's own HSMs, which all customers share, count as `software`. */
  async describe(keyRef: string, call?: KeyManagerCall): Promise<KeyDescription> {
    return this.#run({ keyRef, doing: 'describe' }, call, async (sdk, signal) => {
      const found = await this.#metadata(sdk, keyRef, signal);
      return {
        keyRef,
        region: this.region,
        protection: found.Origin === 'AWS_CLOUDHSM' ? 'hsm' : 'software',
        state: stateOf(found),
        createdAt: found.CreationDate,
      };
    });
  }

  /** Lets a key refuse all work. AWS takes up to some minutes until every machine of its own knows. */
  async disable(keyRef: string, call?: KeyManagerCall): Promise<void> {
    await this.#run({ keyRef, doing: 'disable', always: true }, call, async ({ client, commands }, abortSignal) => {
      await client.send(new commands.DisableKeyCommand({ KeyId: keyRef }), { abortSignal });
    });
  }

  /**
   * From now on the key refuses all work, and when the days are over AWS deletes it for good. Until then CancelKeyDeletion brings it back.
   * A key that is to be deleted already, as early or earlier, is left so.
   *
   * @param days 7 to 30
   * @throws {ConfigurationError} when days is anything else
   * @throws {KeyManagerError} `pendingDeletion` when it is to be deleted already, but later
   */
  async scheduleDeletion(keyRef: string, days: number, call?: KeyManagerCall): Promise<void> {
    if (!Number.isInteger(days) || days < 7 || days > 30)
      throw new ConfigurationError(`AWS KMS can't delete a key in ${days} days.`, { hint: 'Give whole days, from 7 to 30.' });
    const wanted = Date.now() + days * 86_400_000;
    await this.#run({ keyRef, doing: 'schedule the deletion', always: true }, call, async (sdk, abortSignal) => {
      const input = { KeyId: keyRef, PendingWindowInDays: days };
      try {
        await sdk.client.send(new sdk.commands.ScheduleKeyDeletionCommand(input), { abortSignal });
      } catch (error) {
        if ((error as Error).name !== 'KMSInvalidStateException') throw error;
        const found = await this.#metadata(sdk, keyRef, abortSignal);
        // An hour's grace: whoever asks again after a lost answer must not be told that it is too late.
        if (stateOf(found) !== 'pendingDeletion' || !((found.DeletionDate?.getTime() ?? Infinity) <= wanted + 3_600_000)) throw error;
      }
    });
  }

  /** Ends what is on its way, and the client unless it was given. */
  async close(): Promise<void> {
    this.#calls.close();
    await this.#client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [inspect.custom](): string {
    return `AwsKeyManager(${this.provider})`;
  }

  async #run<T>(
    request: Omit<RemoteRequest, 'signal'>,
    call: KeyManagerCall | undefined,
    work: (sdk: AwsSdk, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { keyRef, doing } = request;
    return this.#calls.run({ ...request, signal: call?.signal }, async (signal) => {
      if (keyRef !== undefined) this.#requireOwn(keyRef);
      const sdk = await this.#client.open();
      try {
        return await work(sdk, signal);
      } catch (error) {
        const { name } = error as { name?: unknown };
        if (name === 'NotFoundException' && keyRef !== undefined && this.#settling.has(keyRef))
          throw keyFailure('unavailable', keyRef, `is too new for some of AWS's machines: could not ${doing}`);
        if (name !== 'KMSInvalidStateException' || keyRef === undefined) throw error;
        throw await this.#invalidState(sdk, keyRef, doing, signal);
      }
    });
  }

  /** The exception says that a key is in no state for this, not in which. Whoever may not ask gets the reason that ends its use. */
  async #invalidState(sdk: AwsSdk, keyRef: string, doing: string, signal: AbortSignal): Promise<KeyManagerError> {
    const state = await this.#metadata(sdk, keyRef, signal).then(
      (found) => found.KeyState,
      (error: unknown) => (isAway(awsFailure(error)) ? Promise.reject(error) : 'PendingDeletion'),
    );
    return keyFailure(failureOf(state), keyRef, `is in the state ${state}: could not ${doing}`);
  }

  async #metadata({ client, commands }: AwsSdk, keyRef: string, abortSignal: AbortSignal): Promise<KeyMetadata> {
    const { KeyMetadata: found } = await client.send(new commands.DescribeKeyCommand({ KeyId: keyRef }), { abortSignal });
    this.#answers.requireKey(found?.Arn, keyRef);
    return found!;
  }

  #mine(wrapped: WrappedKey, context: KeyContext): WrappedKey {
    requireWrappedBy(this.provider, wrapped, context);
    const { byteLength } = wrapped.ciphertext;
    if (byteLength < 1 || byteLength > longestCiphertext)
      throw keyFailure('invalidCiphertext', wrapped.keyRef, 'did not wrap these bytes', context);
    return wrapped;
  }

  #requireOwn(keyRef: string, context?: KeyContext): void {
    if (!isKeyArn(keyRef, this.region)) throw keyFailure('notFound', keyRef, `is no key of ${this.provider}`, context);
  }
}

/** Exactly these two entries: AWS compares them whole, and writes them to CloudTrail. */
function encryptionContext({ tenantId, purpose }: KeyContext): Record<string, string> {
  return { tenant: tenantId, purpose };
}

function isAway(failure: RemoteFailure | undefined): boolean {
  return failure === undefined || failure.reason === 'throttled' || failure.reason === 'unavailable';
}
