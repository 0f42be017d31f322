import { type KeyObject, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import type { KeyProperties } from '@azure/keyvault-keys';
import { dataKeyFrom, newDataKey, requireDataKey } from '../crypto/data-key.ts';
import { ConfigurationError, type KeyManagerError } from '../errors.ts';
import { parseTenantId } from '../tenant/tenant-id.ts';
import { AzureClient } from './azure-client.ts';
import { dataKeyIn, gcmParts, gcmWrapped, isSigned, rsaParts, rsaWrapped, signedDigest, wrapWithPublicKey } from './azure-envelope.ts';
import { azureFailure } from './azure-failure.ts';
import { exists, isMissing, newestVersion } from './azure-newest-version.ts';
import type { AzureKeyManagerOptions } from './azure-options.ts';
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
import { RemoteCalls, type RemoteRequest } from './remote-calls.ts';
import { contextBytes, identityOf, requireWrappedBy } from './remote-wrapping.ts';

export type { AzureKeyManagerOptions } from './azure-options.ts';

const rsaBits = 3_072;
const protectionTag = 'tenancy-protection';

/**
 * A key manager whose KEKs are keys of one Azure Key Vault or Managed HSM, named by their URL without a version. Needs the optional peer
 * `@azure/keyvault-keys`.
 *
 * In a vault a KEK is an RSA key. Wrapping with it needs its public key only, which is no secret, so each wrapped key is also signed by
 * it: an unsigned one is refused. In a Managed HSM it is an AES key, and the context is associated data. See docs/kms-azure.md.
 *
 * @example
 * ```ts
 * const kms = azureKeyManager({ vaultUrl: 'https://orders.vault.azure.net', credential, region: 'westeurope' });
 * const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
 * ```
 * @throws {ConfigurationError} when the URL, the region, the credential, a time or a count can't be used
 */
export function azureKeyManager(options: AzureKeyManagerOptions): AzureKeyManager {
  return new AzureKeyManager(options);
}

/**
 * Made by {@link azureKeyManager}.
 *
 * @example
 * ```ts
 * await using kms = azureKeyManager({ vaultUrl: 'https://orders.vault.azure.net', credential, region: 'westeurope' });
 * const { state } = await kms.describe(keyRef);
 * ```
 */
export class AzureKeyManager implements KeyManager {
  /** What wrapped keys name this manager by. */
  readonly provider: string;
  /** The region of the vault. */
  readonly region: string;
  /** Always `hsm`: whether the vault is of the tier Premium shows when the key is made. */
  readonly hsmKeys: HsmKeys = 'hsm';
  readonly #prefix: string;
  readonly #managedHsm: boolean;
  readonly #tags: Readonly<Record<string, string>>;
  readonly #client: AzureClient;
  readonly #calls: RemoteCalls;

  /** @throws {ConfigurationError} when the URL, the region, the credential, a time or a count can't be used */
  constructor(options: AzureKeyManagerOptions) {
    const { vaultUrl, credential, region, allowInsecureConnection = false } = options;
    const url = URL.canParse(vaultUrl) ? new URL(vaultUrl) : undefined;
    if (url === undefined || (url.protocol !== 'https:' && !(allowInsecureConnection && url.protocol === 'http:')))
      throw new ConfigurationError('azureKeyManager needs the https URL of a vault.');
    if (typeof region !== 'string' || region === '') throw new ConfigurationError('azureKeyManager needs a region.');
    if (typeof credential?.getToken !== 'function') throw new ConfigurationError('azureKeyManager needs a credential.');
    this.region = region;
    this.provider = options.provider ?? `azure/${url.hostname}`;
    this.#prefix = `${url.origin}/keys/`;
    this.#managedHsm = options.managedHsm ?? /\.managedhsm\.[a-z.]+$/.test(url.hostname);
    this.#tags = Object.freeze({ ...options.tags });
    this.#client = new AzureClient({ vaultUrl: url.origin, credential, allowInsecureConnection });
    this.#calls = new RemoteCalls({ ...options, provider: this.provider, classify: azureFailure });
  }

  /**
   * Makes a key and answers with its URL: RSA in a vault, RSA-HSM there for `hsm`, which takes a vault of the tier Premium; AES in a
   * Managed HSM, whatever was asked for.
   *
   * @throws {InvalidTenantIdError} when the tenant id is none, nor `platform`
   */
  async createKey(request: { readonly tenantId: string; readonly protection: KeyProtection }, call?: KeyManagerCall): Promise<string> {
    const { tenantId, protection } = request;
    if (tenantId !== 'platform') parseTenantId(tenantId);
    const name = `tenancy-${tenantId}-${randomBytes(8).toString('hex')}`;
    const tags = { ...this.#tags, 'tenancy-tenant': tenantId, [protectionTag]: protection };
    await this.#calls.run({ doing: 'create a key', tenantId, repeatable: false, signal: call?.signal }, async (abortSignal) => {
      const client = await this.#client.open();
      if (this.#managedHsm) await client.createOctKey(name, { hsm: true, keySize: 256, keyOps: ['encrypt', 'decrypt'], tags, abortSignal });
      else {
        const keyOps = ['unwrapKey', 'sign'];
        await client.createRsaKey(name, { hsm: protection === 'hsm', keySize: rsaBits, keyOps, tags, abortSignal });
      }
    });
    return this.#prefix + name;
  }

  /** A fresh 32-byte key, made in this process: Key Vault has no call for it. */
  async generateDataKey(keyRef: string, context: KeyContext, call?: KeyManagerCall): Promise<GeneratedDataKey> {
    const key = newDataKey();
    return { key, wrapped: await this.wrap(keyRef, key, context, call) };
  }

  /** Wraps a key under the KEK's newest version. @throws {ConfigurationError} when the key has not 32 bytes */
  async wrap(keyRef: string, key: KeyObject, context: KeyContext, call?: KeyManagerCall): Promise<WrappedKey> {
    requireDataKey(key);
    return this.#run({ keyRef, doing: 'wrap', tenantId: context.tenantId }, call, async (name, abortSignal) => {
      const { version: keyVersion, publicKey, cryptography } = await this.#client.newest(name, abortSignal);
      const wrapped = (ciphertext: Buffer): WrappedKey => ({ provider: this.provider, keyRef, keyVersion, ciphertext });
      if (publicKey !== undefined) {
        const ciphertext = wrapWithPublicKey(publicKey, key, context);
        const digest = signedDigest(ciphertext, { keyRef, keyVersion, context });
        const { result } = await cryptography.sign('PS256', digest, { abortSignal });
        // What another key signed could never be opened.
        if (!isSigned(publicKey, ciphertext, Buffer.from(result), { keyRef, keyVersion, context }))
          throw keyFailure('wrongKey', keyRef, 'was to sign, and another did', context);
        return wrapped(rsaWrapped(ciphertext, result));
      }
      const plaintext = key.export();
      try {
        const input = { algorithm: 'A256GCM', plaintext, additionalAuthenticatedData: contextBytes(context) } as const;
        const { iv, authenticationTag, result } = await cryptography.encrypt(input, { abortSignal });
        if (iv === undefined || authenticationTag === undefined)
          throw keyFailure('unavailable', keyRef, 'was answered for without IV or tag', context);
        return wrapped(gcmWrapped(iv, authenticationTag, result));
      } finally {
        plaintext.fill(0);
      }
    });
  }

  /** Opens a wrapped key; {@link KeyManager.unwrap} says what it refuses. The same unwrap, asked for while one is on its way, is one request. */
  async unwrap(wrapped: WrappedKey, context: KeyContext, call?: KeyManagerCall): Promise<KeyObject> {
    requireWrappedBy(this.provider, wrapped, context);
    const { keyRef, keyVersion = '', ciphertext: bytes } = wrapped;
    const invalid = (): KeyManagerError =>
      keyFailure('invalidCiphertext', keyRef, 'did not wrap these bytes for this tenant and purpose', context);
    const request = { keyRef, doing: 'unwrap', tenantId: context.tenantId, share: identityOf(wrapped, context) };
    return this.#run(request, call, async (name, abortSignal) => {
      if (!/^[0-9a-f]{32}$/.test(keyVersion)) throw invalid();
      const { publicKey, cryptography } = await this.#client.version(name, keyVersion, abortSignal);
      if (publicKey === undefined) {
        const parts = gcmParts(bytes);
        if (parts === undefined) throw invalid();
        const input = { algorithm: 'A256GCM', ciphertext: parts.ciphertext, iv: parts.iv, authenticationTag: parts.tag } as const;
        const aad = { additionalAuthenticatedData: contextBytes(context) };
        return dataKeyFrom((await this.#opened(cryptography.decrypt({ ...input, ...aad }, { abortSignal }), invalid)).result);
      }
      const parts = rsaParts(bytes, publicKey.asymmetricKeyDetails!.modulusLength! / 8);
      // Before the vault is asked: it would open whatever anybody wrapped with the public key.
      if (parts === undefined || !isSigned(publicKey, parts.ciphertext, parts.signature, { keyRef, keyVersion, context })) throw invalid();
      const opened = await this.#opened(cryptography.unwrapKey('RSA-OAEP-256', parts.ciphertext, { abortSignal }), invalid);
      try {
        const key = dataKeyIn(opened.result, context);
        if (key === undefined) throw invalid();
        return dataKeyFrom(key);
      } finally {
        opened.result.fill(0);
      }
    });
  }

  /** Wraps the same key under the newest version of its KEK, or of `target` in the same vault; it passes through this process. */
  async rewrap(wrapped: WrappedKey, context: KeyContext, target?: string, call?: KeyManagerCall): Promise<WrappedKey> {
    return this.wrap(target ?? wrapped.keyRef, await this.unwrap(wrapped, context, call), context, call);
  }

  /** The state of a key's newest version. */
  async describe(keyRef: string, call?: KeyManagerCall): Promise<KeyDescription> {
    return this.#run({ keyRef, doing: 'describe' }, call, async (name, abortSignal) => {
      const client = await this.#client.open();
      const describe = (hsm: boolean, { createdOn }: KeyProperties, state: KeyDescription['state']): KeyDescription => ({
        keyRef,
        region: this.region,
        protection: hsm || this.#managedHsm ? 'hsm' : 'software',
        state,
        createdAt: createdOn,
      });
      try {
        const { properties, keyType } = await newestVersion(client, name, abortSignal);
        // Of a disabled key Azure does not say the type; the tag is what this manager made.
        const hsm = keyType?.endsWith('-HSM') ?? properties.tags?.[protectionTag] === 'hsm';
        return describe(hsm, properties, properties.enabled === false ? 'disabled' : 'enabled');
      } catch (error) {
        if (!isMissing(error)) throw error;
        const { properties, keyType } = await client.getDeletedKey(name, { abortSignal });
        return describe(keyType?.endsWith('-HSM') === true, properties, 'pendingDeletion');
      }
    });
  }

  /** Lets every version of a key refuse all work: Key Vault knows the state of versions only. */
  async disable(keyRef: string, call?: KeyManagerCall): Promise<void> {
    await this.#run({ keyRef, doing: 'disable', always: true }, call, async (name, abortSignal) => {
      const client = await this.#client.open();
      await newestVersion(client, name, abortSignal);
      for await (const { version, enabled } of client.listPropertiesOfKeyVersions(name, { abortSignal })) {
        if (enabled !== false && version !== undefined) await client.updateKeyProperties(name, version, { enabled: false, abortSignal });
      }
    });
  }

  /**
   * Soft-deletes a key: from now on it refuses all work, and when the vault's retention is over it is gone for good. Until then it can be
   * recovered, and, unless the vault has purge protection, purged.
   *
   * @param days the vault's retention, 7 to 90, which is set for the whole vault
   * @throws {ConfigurationError} when days is anything else
   */
  async scheduleDeletion(keyRef: string, days: number, call?: KeyManagerCall): Promise<void> {
    if (!Number.isInteger(days) || days < 7 || days > 90)
      throw new ConfigurationError(`Azure Key Vault can't delete a key in ${days} days.`, { hint: 'Give whole days, from 7 to 90.' });
    await this.#run({ keyRef, doing: 'schedule the deletion', always: true, repeatable: false }, call, async (name, abortSignal) => {
      const client = await this.#client.open();
      const retention = await newestVersion(client, name, abortSignal).then(
        ({ properties }) => properties.recoverableDays,
        async (error: unknown) => {
          if (!isMissing(error)) throw error;
          await client.getDeletedKey(name, { abortSignal });
          return undefined;
        },
      );
      if (retention === undefined) return;
      if (retention !== days) {
        throw new ConfigurationError(`The vault of ${this.provider} keeps deleted keys for ${retention} days, not ${days}.`, {
          hint: `Give ${retention}, or make a vault with another retention.`,
        });
      }
      const poller = await client.beginDeleteKey(name, { abortSignal, intervalInMs: 250 });
      await poller.pollUntilDone();
    });
  }

  /** Ends what is on its way. */
  async close(): Promise<void> {
    this.#calls.close();
    this.#client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [inspect.custom](): string {
    return `AzureKeyManager(${this.provider})`;
  }

  async #run<T>(
    request: Omit<RemoteRequest, 'signal'> & { readonly keyRef: string },
    call: KeyManagerCall | undefined,
    work: (name: string, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { keyRef } = request;
    return this.#calls.run({ ...request, signal: call?.signal }, async (signal) => {
      const name = keyRef.startsWith(this.#prefix) ? keyRef.slice(this.#prefix.length) : '';
      if (!/^[0-9a-zA-Z-]{1,127}$/.test(name)) throw keyFailure('notFound', keyRef, `is no key of ${this.provider}`);
      try {
        return await work(name, signal);
      } catch (error) {
        if (!isMissing(error)) throw error;
        const client = await this.#client.open();
        // A soft-deleted key answers like one that never was, and so does a version that the key does not have.
        if (await exists(client.getDeletedKey(name, { abortSignal: signal })))
          throw keyFailure('pendingDeletion', keyRef, 'is deleted, and can be recovered');
        if (await exists(client.getKey(name, { abortSignal: signal }))) throw keyFailure('wrongKey', keyRef, 'has no such version');
        throw error;
      }
    });
  }

  /** Of bytes that can't be opened Key Vault says 400, as of any other bad parameter. */
  async #opened<T>(work: Promise<T>, invalid: () => KeyManagerError): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw (error as { statusCode?: number }).statusCode === 400 ? invalid() : error;
    }
  }
}
