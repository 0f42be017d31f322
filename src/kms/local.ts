import { type KeyObject, randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { dataKeyFrom, newDataKey, requireDataKey } from '../crypto/data-key.ts';
import { lengthPrefixed } from '../crypto/length-prefixed.ts';
import { Xaes256Gcm } from '../crypto/xaes-256-gcm.ts';
import { AbortedError, ClosedError, ConfigurationError, KeyManagerError } from '../errors.ts';
import { parseTenantId } from '../tenant/tenant-id.ts';
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
import type { LocalKek } from './local-key-document.ts';
import { isGone, LocalKeyFile } from './local-key-file.ts';

/** Options of {@link localKeyManager}. */
export interface LocalKeyManagerOptions {
  /** The key file; made with mode 0600 by the first `createKey`. Whoever reads it reads every tenant's data: back it up apart from the databases. */
  readonly file: string;
  /** The region in which the file lies; residency is decided by it. */
  readonly region: string;
  /** What wrapped keys name this manager by; `local/<region>` unless told, which tells apart one key file per region. */
  readonly provider?: string | undefined;
  /**
   * Whether `createKey({ protection: 'hsm' })` makes a software key instead of failing; false unless told. A stand-in for trying premium
   * tenants on one machine: {@link KeyManager.describe} goes on saying `software`, because that is what protects the key.
   */
  readonly allowSoftwareHsm?: boolean | undefined;
}

const format = 1;
const nonceAt = 5;
const commitmentAt = nonceAt + Xaes256Gcm.nonceLength;
const ciphertextAt = commitmentAt + Xaes256Gcm.commitmentLength;
const tagAt = ciphertextAt + 32;
const wrappedLength = tagAt + Xaes256Gcm.tagLength;
const longestDays = 365;

/**
 * A key manager whose KEKs lie in one file of this machine: for development, tests and small installations without a cloud KMS.
 *
 * A wrapped key has 109 bytes: format (1, `0x01`), KEK version (4, u32 big-endian), nonce (24), key commitment (32), ciphertext (32),
 * tag (16). The AAD is `tenancy.local-kms`, format and version bytes, KEK name, tenant id and purpose, each with its length in front.
 * The commitment tells a wrong KEK (`wrongKey`) from wrong bytes or context (`invalidCiphertext`). See docs/encryption.md, "The local key
 * manager".
 *
 * @example
 * ```ts
 * const kms = localKeyManager({ file: '.tenancy/keys.json', region: 'eu-central-1' });
 * const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
 * ```
 * @throws {ConfigurationError} when file or region is empty
 */
export function localKeyManager(options: LocalKeyManagerOptions): LocalKeyManager {
  return new LocalKeyManager(options);
}

/**
 * Made by {@link localKeyManager}; a {@link KeyManager} with `rotate`. Its own failures are {@link KeyManagerError} `denied` when others may
 * read the file, and `unavailable` when it can't be read, written or understood.
 *
 * @example
 * ```ts
 * await using kms = localKeyManager({ file: '.tenancy/keys.json', region: 'eu-central-1' });
 * const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
 * await kms.rotate(keyRef);
 * ```
 */
export class LocalKeyManager implements KeyManager {
  /** What wrapped keys name this manager by. */
  readonly provider: string;
  /** The region in which the file lies. */
  readonly region: string;
  /** `stand-in` with `allowSoftwareHsm`, else `none`. */
  readonly hsmKeys: HsmKeys;
  readonly #file: LocalKeyFile;
  readonly #allowSoftwareHsm: boolean;
  #closed = false;

  /** @throws {ConfigurationError} when file or region is empty */
  constructor(options: LocalKeyManagerOptions) {
    for (const name of ['file', 'region'] as const) {
      if (typeof options[name] !== 'string' || options[name] === '') throw new ConfigurationError(`localKeyManager needs a ${name}.`);
    }
    this.region = options.region;
    this.hsmKeys = options.allowSoftwareHsm === true ? 'stand-in' : 'none';
    this.provider = options.provider ?? `local/${options.region}`;
    this.#file = new LocalKeyFile(options.file);
    this.#allowSoftwareHsm = options.allowSoftwareHsm ?? false;
  }

  /**
   * Makes a KEK in the file and answers with its name, `local-<tenant>-<16 hex digits>`.
   *
   * @throws {KeyManagerError} `denied` for `hsm` without `allowSoftwareHsm`
   * @throws {InvalidTenantIdError} when the tenant id is none, nor `platform`
   */
  async createKey(request: { readonly tenantId: string; readonly protection: KeyProtection }, call?: KeyManagerCall): Promise<string> {
    if (request.tenantId !== 'platform') parseTenantId(request.tenantId);
    this.#admit('createKey', call);
    if (request.protection === 'hsm' && !this.#allowSoftwareHsm) {
      throw new KeyManagerError(`A key in an HSM was asked for tenant ${request.tenantId}, and a key file is none.`, {
        reason: 'denied',
        tenantId: request.tenantId,
        hint: 'Use a key manager with an HSM, or allowSoftwareHsm: true to try premium tenants without one.',
      });
    }
    const id = `local-${request.tenantId}-${randomBytes(8).toString('hex')}`;
    const entry: LocalKek = {
      id,
      tenantId: request.tenantId,
      requested: request.protection,
      state: 'enabled',
      createdAt: new Date(),
      deleteAt: undefined,
      versions: new Map([[1, newDataKey()]]),
    };
    await this.#update('createKey', (keks) => keks.set(id, entry), call);
    return id;
  }

  /** Gives a KEK a new version that wraps from now on; older ones go on unwrapping. {@link rewrap} moves keys to it. */
  async rotate(keyRef: string, call?: KeyManagerCall): Promise<void> {
    await this.#update(
      'rotate',
      (keks) => {
        const entry = usable(find(keks, keyRef));
        keks.set(keyRef, { ...entry, versions: new Map([...entry.versions, [newestOf(entry) + 1, newDataKey()]]) });
      },
      call,
    );
  }

  /** A fresh 32-byte key, plain and wrapped under the KEK's newest version. */
  async generateDataKey(keyRef: string, context: KeyContext, call?: KeyManagerCall): Promise<GeneratedDataKey> {
    const key = newDataKey();
    return { key, wrapped: await this.wrap(keyRef, key, context, call) };
  }

  /** Wraps a key under the KEK's newest version. @throws {ConfigurationError} when the key has not 32 bytes */
  async wrap(keyRef: string, key: KeyObject, context: KeyContext, call?: KeyManagerCall): Promise<WrappedKey> {
    requireDataKey(key);
    const entry = usable(await this.#find('wrap', keyRef, call));
    const version = newestOf(entry);
    const header = Buffer.alloc(nonceAt);
    header[0] = format;
    header.writeUInt32BE(version, 1);
    const nonce = randomBytes(Xaes256Gcm.nonceLength);
    const plaintext = key.export();
    const { commitment, ciphertext, tag } = Xaes256Gcm.for(entry.versions.get(version)!).seal(
      nonce,
      plaintext,
      aadOf(header, keyRef, context),
    );
    plaintext.fill(0);
    return {
      provider: this.provider,
      keyRef,
      keyVersion: String(version),
      ciphertext: Buffer.concat([header, nonce, commitment, ciphertext, tag]),
    };
  }

  /** Opens a wrapped key; {@link KeyManager.unwrap} says what it refuses. */
  async unwrap(wrapped: WrappedKey, context: KeyContext, call?: KeyManagerCall): Promise<KeyObject> {
    const { keyRef, ciphertext: bytes } = wrapped;
    if (wrapped.provider !== this.provider)
      throw keyFailure('wrongKey', keyRef, `belongs to the key manager "${wrapped.provider}", not to this one`, context);
    const entry = usable(await this.#find('unwrap', keyRef, call));
    if (bytes.byteLength !== wrappedLength || bytes[0] !== format)
      throw keyFailure('invalidCiphertext', keyRef, 'did not wrap these bytes', context);
    const version = bytes.readUInt32BE(1);
    if (wrapped.keyVersion !== undefined && wrapped.keyVersion !== String(version))
      throw keyFailure('invalidCiphertext', keyRef, 'did not wrap these bytes', context);
    const kek = entry.versions.get(version);
    const nonce = bytes.subarray(nonceAt, commitmentAt);
    const commitment = bytes.subarray(commitmentAt, ciphertextAt);
    if (kek === undefined || !Xaes256Gcm.for(kek).commits(nonce, commitment))
      throw keyFailure('wrongKey', keyRef, 'is not the key that wrapped these bytes', context);
    const sealed = { commitment, ciphertext: bytes.subarray(ciphertextAt, tagAt), tag: bytes.subarray(tagAt) };
    const opened = Xaes256Gcm.for(kek).open(nonce, sealed, aadOf(bytes.subarray(0, nonceAt), keyRef, context));
    if (opened === undefined)
      throw keyFailure('invalidCiphertext', keyRef, 'wrapped these bytes for another tenant or purpose, or they were changed', context);
    return dataKeyFrom(opened);
  }

  /** Wraps the same key under the newest version of its KEK, or of `target`. */
  async rewrap(wrapped: WrappedKey, context: KeyContext, target?: string, call?: KeyManagerCall): Promise<WrappedKey> {
    return this.wrap(target ?? wrapped.keyRef, await this.unwrap(wrapped, context, call), context, call);
  }

  /** A KEK's state; its protection is always `software`. */
  async describe(keyRef: string, call?: KeyManagerCall): Promise<KeyDescription> {
    const { state, createdAt } = await this.#find('describe', keyRef, call);
    return { keyRef, region: this.region, protection: 'software', state, createdAt };
  }

  /**
   * Lets a KEK refuse all work, in every process that reads the file, at once.
   *
   * @throws {KeyManagerError} `pendingDeletion` when it is to be deleted already
   */
  async disable(keyRef: string, call?: KeyManagerCall): Promise<void> {
    await this.#update(
      'disable',
      (keks) => {
        const entry = find(keks, keyRef);
        if (entry.state === 'pendingDeletion') throw keyFailure('pendingDeletion', keyRef, 'is to be deleted already');
        keks.set(keyRef, { ...entry, state: 'disabled' });
      },
      call,
    );
  }

  /**
   * From now on the key refuses all work; when the days are over it counts as gone, and its material leaves the file with the next change
   * of any key. A key that is to be deleted already keeps the earlier date.
   *
   * @param days 0 to 365; 0 deletes at once and for good
   * @throws {ConfigurationError} when days is anything else
   */
  async scheduleDeletion(keyRef: string, days: number, call?: KeyManagerCall): Promise<void> {
    if (!Number.isInteger(days) || days < 0 || days > longestDays) {
      throw new ConfigurationError(`A key can't be deleted in ${days} days.`, { hint: `Give whole days, from 0 to ${longestDays}.` });
    }
    await this.#update(
      'scheduleDeletion',
      (keks) => {
        const entry = find(keks, keyRef);
        const deleteAt = new Date(Math.min(Date.now() + days * 86_400_000, entry.deleteAt?.getTime() ?? Infinity));
        keks.set(keyRef, { ...entry, state: 'pendingDeletion', deleteAt });
      },
      call,
    );
  }

  /** Forgets the keys in memory; the file stays. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#file.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [inspect.custom](): string {
    return `LocalKeyManager(${this.#file.path}, ${this.region})`;
  }

  #admit(what: string, call: KeyManagerCall | undefined): void {
    if (this.#closed) throw new ClosedError(`${what} was called on a key manager that is closed.`);
    if (call?.signal?.aborted === true) throw new AbortedError(`${what} was aborted.`, { cause: call.signal.reason });
  }

  async #find(what: string, keyRef: string, call: KeyManagerCall | undefined): Promise<LocalKek> {
    this.#admit(what, call);
    const keks = await this.#file.read();
    if (this.#closed) this.#file.close();
    this.#admit(what, call);
    return find(keks, keyRef);
  }

  async #update(what: string, change: (keks: Map<string, LocalKek>) => unknown, call: KeyManagerCall | undefined): Promise<void> {
    this.#admit(what, call);
    try {
      await this.#file.update(change, call?.signal);
    } catch (error) {
      if (!(error instanceof KeyManagerError)) this.#admit(what, call);
      throw error;
    } finally {
      if (this.#closed) this.#file.close();
    }
  }
}

function find(keks: ReadonlyMap<string, LocalKek>, keyRef: string): LocalKek {
  const entry = keks.get(keyRef);
  if (entry === undefined || isGone(entry)) throw keyFailure('notFound', keyRef, 'is not in the key file');
  return entry;
}

function usable(entry: LocalKek): LocalKek {
  if (entry.state === 'disabled') throw keyFailure('disabled', entry.id, 'is disabled');
  if (entry.state === 'pendingDeletion') throw keyFailure('pendingDeletion', entry.id, 'is to be deleted');
  return entry;
}

function newestOf(entry: LocalKek): number {
  return Math.max(...entry.versions.keys());
}

function aadOf(header: Uint8Array, keyRef: string, context: KeyContext): Buffer {
  return lengthPrefixed(['tenancy.local-kms', header, keyRef, context.tenantId, context.purpose]);
}
