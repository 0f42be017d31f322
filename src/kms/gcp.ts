import { type KeyObject, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import type { protos, v1 } from '@google-cloud/kms';
import { dataKeyFrom, dataKeyLength, newDataKey, requireDataKey } from '../crypto/data-key.ts';
import { ConfigurationError } from '../errors.ts';
import { parseTenantId } from '../tenant/tenant-id.ts';
import { authenticatedData, checksumOf, requireVerified, verifiedBytes } from './gcp-checksums.ts';
import { GcpClient } from './gcp-client.ts';
import { alreadyExists, gcpFailure, refusesArgument } from './gcp-failure.ts';
import { GcpKeyRing } from './gcp-key-ring.ts';
import type { GcpKeyManagerOptions } from './gcp-options.ts';
import { type GcpVersion, isEnabled, protectionOf, stateOf, versionOf } from './gcp-versions.ts';
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
import { type RemoteCallSettings, remoteCallSettings } from './remote-call-options.ts';
import { RemoteCalls, type RemoteRequest } from './remote-calls.ts';
import { identityOf, requireWrappedBy } from './remote-wrapping.ts';

export type { GcpKeyManagerOptions } from './gcp-options.ts';

type CryptoKey = protos.google.cloud.kms.v1.ICryptoKey;

/** Ours have about 100 bytes: anything else is none, and is not sent. */
const longestCiphertext = 8_192;
const daySeconds = 86_400;

/**
 * A key manager whose KEKs are symmetric keys of Google Cloud KMS, named by their resource name. Needs the optional peer
 * `@google-cloud/kms`.
 *
 * A wrapped key is Google's ciphertext as it is; tenant and purpose are its additional authenticated data. Data keys are made in the
 * process. Everything that is sent or received is compared with its CRC-32C. See docs/kms-gcp.md for permissions, logs, limits and
 * failures.
 *
 * @example
 * ```ts
 * const kms = gcpKeyManager({ project: 'shop-keys', location: 'europe-west3', keyRing: 'tenants' });
 * const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'hsm' });
 * ```
 * @throws {ConfigurationError} when project, location or keyRing is no id, or a time or count can't be used
 */
export function gcpKeyManager(options: GcpKeyManagerOptions): GcpKeyManager {
  return new GcpKeyManager(options);
}

/**
 * Made by {@link gcpKeyManager}.
 *
 * @example
 * ```ts
 * await using kms = gcpKeyManager({ project: 'shop-keys', location: 'europe-west3', keyRing: 'tenants' });
 * const { state } = await kms.describe(keyRef);
 * ```
 */
export class GcpKeyManager implements KeyManager {
  /** What wrapped keys name this manager by. */
  readonly provider: string;
  /** The location of its key ring. */
  readonly region: string;
  /** Always `hsm`: whether the location has one shows when the key is made. */
  readonly hsmKeys: HsmKeys = 'hsm';
  readonly #ring: GcpKeyRing;
  readonly #labels: Readonly<Record<string, string>>;
  readonly #destroyDays: number;
  readonly #client: GcpClient;
  readonly #calls: RemoteCalls;
  readonly #settings: RemoteCallSettings;

  /** @throws {ConfigurationError} when project, location or keyRing is no id, or a time or count can't be used */
  constructor(options: GcpKeyManagerOptions) {
    const { location, labels = {}, destroyDays = 30, clientOptions } = options;
    this.#ring = new GcpKeyRing(options);
    if (!Number.isInteger(destroyDays) || destroyDays < 1 || destroyDays > 120)
      throw new ConfigurationError('The key manager’s option destroyDays is not a whole number from 1 to 120.');
    this.region = location;
    this.provider = options.provider ?? `gcp/${location}`;
    this.#labels = { ...labels };
    this.#destroyDays = destroyDays;
    this.#client = new GcpClient(clientOptions);
    this.#settings = remoteCallSettings(options);
    this.#calls = new RemoteCalls({ ...options, provider: this.provider, classify: gcpFailure });
  }

  /**
   * Makes a key in the ring and answers with its resource name. An HSM key may take a moment until it works: calls wait for it within
   * their deadline.
   *
   * @throws {KeyManagerError} `notFound` when there is no such key ring
   * @throws {InvalidTenantIdError} when the tenant id is none, nor `platform`
   */
  async createKey(request: { readonly tenantId: string; readonly protection: KeyProtection }, call?: KeyManagerCall): Promise<string> {
    const { tenantId, protection } = request;
    if (tenantId !== 'platform') parseTenantId(tenantId);
    const cryptoKeyId = `${tenantId.slice(0, 46)}-${randomBytes(8).toString('hex')}`;
    const name = this.#ring.keyRef(cryptoKeyId);
    const cryptoKey = {
      purpose: 'ENCRYPT_DECRYPT' as const,
      versionTemplate: {
        algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION' as const,
        protectionLevel: protection === 'hsm' ? ('HSM' as const) : ('SOFTWARE' as const),
      },
      destroyScheduledDuration: { seconds: this.#destroyDays * daySeconds },
      labels: { ...this.#labels, 'tenancy-tenant': tenantId },
    };
    return this.#run({ doing: 'create a key', tenantId, signal: call?.signal }, async (client) => {
      try {
        await client.createCryptoKey({ parent: this.#ring.name, cryptoKeyId, cryptoKey }, this.#once);
      } catch (error) {
        // An attempt whose answer was lost made it: nobody else can have come upon its name.
        if (!alreadyExists(error)) throw error;
        const [made] = await client.getCryptoKey({ name }, this.#once);
        if (made.labels?.['tenancy-tenant'] !== tenantId) throw error;
      }
      return name;
    });
  }

  /** A fresh 32-byte key, plain and wrapped; made in the process, from its random source. */
  async generateDataKey(keyRef: string, context: KeyContext, call?: KeyManagerCall): Promise<GeneratedDataKey> {
    const key = newDataKey();
    return { key, wrapped: await this.wrap(keyRef, key, context, call) };
  }

  /** Wraps a key under the KEK's primary version. @throws {ConfigurationError} when the key has not 32 bytes */
  async wrap(keyRef: string, key: KeyObject, context: KeyContext, call?: KeyManagerCall): Promise<WrappedKey> {
    requireDataKey(key);
    this.#ring.requireOwn(keyRef, context);
    return this.#run({ doing: 'wrap', keyRef, tenantId: context.tenantId, signal: call?.signal }, async (client) => {
      const plaintext = key.export();
      try {
        const [answer] = await client.encrypt(
          {
            name: keyRef,
            plaintext,
            plaintextCrc32c: checksumOf(plaintext),
            ...authenticatedData(context),
          },
          this.#once,
        );
        requireVerified(answer.verifiedPlaintextCrc32c, 'key that was sent');
        requireVerified(answer.verifiedAdditionalAuthenticatedDataCrc32c, 'context that was sent');
        const ciphertext = verifiedBytes(answer.ciphertext, answer.ciphertextCrc32c, 'wrapped key');
        const keyVersion = versionOf(keyRef, answer.name);
        if (keyVersion === undefined) throw keyFailure('wrongKey', keyRef, 'was asked for, and another one answered', context);
        return { provider: this.provider, keyRef, keyVersion, ciphertext };
      } finally {
        plaintext.fill(0);
      }
    });
  }

  /** Opens a wrapped key; {@link KeyManager.unwrap} says what it refuses. Identical calls at the same time are one request. */
  async unwrap(wrapped: WrappedKey, context: KeyContext, call?: KeyManagerCall): Promise<KeyObject> {
    requireWrappedBy(this.provider, wrapped, context);
    const { keyRef, ciphertext } = wrapped;
    this.#ring.requireOwn(keyRef, context);
    const request = { doing: 'unwrap', keyRef, tenantId: context.tenantId, signal: call?.signal, share: identityOf(wrapped, context) };
    return this.#run(request, async (client) => {
      if (ciphertext.byteLength > longestCiphertext) throw keyFailure('invalidCiphertext', keyRef, 'did not wrap these bytes', context);
      const asked = {
        name: keyRef,
        ciphertext,
        ciphertextCrc32c: checksumOf(ciphertext),
        ...authenticatedData(context),
      };
      const [answer] = await client.decrypt(asked, this.#once).catch((error: unknown) => {
        if (!refusesArgument(error)) throw error;
        throw keyFailure(
          'invalidCiphertext',
          keyRef,
          'did not wrap these bytes, or for another tenant or purpose, or they were changed',
          context,
        );
      });
      const plaintext = verifiedBytes(answer.plaintext, answer.plaintextCrc32c, 'unwrapped key');
      if (answer.plaintext instanceof Uint8Array) answer.plaintext.fill(0);
      if (plaintext.byteLength === dataKeyLength) return dataKeyFrom(plaintext);
      plaintext.fill(0);
      throw keyFailure('invalidCiphertext', keyRef, 'wrapped no key with these bytes', context);
    });
  }

  /** Wraps the same key under the primary version of its KEK, or of `target`: two calls, and the key is in the process in between. */
  async rewrap(wrapped: WrappedKey, context: KeyContext, target?: string, call?: KeyManagerCall): Promise<WrappedKey> {
    return this.wrap(target ?? wrapped.keyRef, await this.unwrap(wrapped, context, call), context, call);
  }

  /** A KEK's state and protection are those of its primary version, which wraps. */
  async describe(keyRef: string, call?: KeyManagerCall): Promise<KeyDescription> {
    this.#ring.requireOwn(keyRef);
    return this.#run({ doing: 'describe', keyRef, signal: call?.signal, share: keyRef }, async (client) => {
      const { primary } = await this.#read(client, keyRef);
      const state = stateOf(primary);
      if (state === undefined || primary === null || primary === undefined)
        throw keyFailure('notFound', keyRef, 'has no version that is left');
      const seconds = primary.createTime?.seconds;
      return {
        keyRef,
        region: this.region,
        protection: protectionOf(primary),
        state,
        createdAt: seconds === undefined || seconds === null ? undefined : new Date(Number(seconds) * 1_000),
      };
    });
  }

  /**
   * Disables every version. Google lets some calls through for up to a few hours in rare cases, usually for less than a minute.
   *
   * @throws {KeyManagerError} `pendingDeletion` when all of them are to be destroyed already
   */
  async disable(keyRef: string, call?: KeyManagerCall): Promise<void> {
    this.#ring.requireOwn(keyRef);
    await this.#run({ doing: 'disable', keyRef, signal: call?.signal }, async (client) => {
      const versions = await this.#versions(client, keyRef);
      if (versions.every((version) => stateOf(version) === 'pendingDeletion'))
        throw keyFailure('pendingDeletion', keyRef, 'is to be deleted already');
      for (const version of versions) {
        if (!isEnabled(version)) continue;
        await client.updateCryptoKeyVersion(
          { cryptoKeyVersion: { name: version.name!, state: 'DISABLED' }, updateMask: { paths: ['state'] } },
          this.#once,
        );
      }
    });
  }

  /**
   * Schedules every version for destruction. Google fixes the days when a key is made (`destroyDays`); until then each version can be
   * restored. The key's name stays for ever.
   *
   * @param days as many as the key was made with
   * @throws {ConfigurationError} when days is anything else
   */
  async scheduleDeletion(keyRef: string, days: number, call?: KeyManagerCall): Promise<void> {
    this.#ring.requireOwn(keyRef);
    await this.#run({ doing: 'schedule a deletion', keyRef, signal: call?.signal }, async (client) => {
      const { destroyScheduledDuration } = await this.#read(client, keyRef);
      const actual = Number(destroyScheduledDuration?.seconds ?? 0) / daySeconds;
      if (actual !== days) {
        throw new ConfigurationError(`The key ${JSON.stringify(keyRef)} can't be deleted in ${days} days.`, {
          hint: `It was made to be destroyed after ${actual} days, which Google never changes: give ${actual}.`,
        });
      }
      for (const version of await this.#versions(client, keyRef)) {
        if (stateOf(version) === 'pendingDeletion') continue;
        await client.destroyCryptoKeyVersion({ name: version.name! }, this.#once);
      }
    });
  }

  /** Ends what is on its way with {@link ClosedError}, and the client's connections. */
  async close(): Promise<void> {
    this.#calls.close();
    await this.#client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [inspect.custom](): string {
    return `GcpKeyManager(${this.#ring.name})`;
  }

  /** One attempt of the SDK: its own retries go on for ten minutes, and would hide throttling from the circuit breaker. */
  get #once(): { readonly timeout: number; readonly retry: null } {
    return { timeout: Math.min(this.#settings.attemptMs, this.#settings.deadlineMs), retry: null };
  }

  async #run<T>(request: RemoteRequest, work: (client: v1.KeyManagementServiceClient) => Promise<T>): Promise<T> {
    return this.#calls.run(request, async () => work(await this.#client.open()));
  }

  async #read(client: v1.KeyManagementServiceClient, name: string): Promise<CryptoKey> {
    const [key] = await client.getCryptoKey({ name }, this.#once);
    if (key.name !== name) throw keyFailure('wrongKey', name, 'was asked for, and another one was described');
    return key;
  }

  /** Its versions that can still come to life. @throws {KeyManagerError} `notFound` when none can */
  async #versions(client: v1.KeyManagementServiceClient, parent: string): Promise<readonly GcpVersion[]> {
    const [versions] = await client.listCryptoKeyVersions({ parent }, this.#once);
    const left = versions.filter((version) => stateOf(version) !== undefined);
    if (left.some(({ name }) => versionOf(parent, name) === undefined))
      throw keyFailure('wrongKey', parent, 'was asked for, and versions of another one were listed');
    if (left.length === 0) throw keyFailure('notFound', parent, 'has no version that is left');
    return left;
  }
}
