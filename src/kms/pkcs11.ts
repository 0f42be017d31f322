import type { KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { newDataKey, requireDataKey } from '../crypto/data-key.ts';
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
import { findKek, madeAt, makeKek, markDeletion, markDisabled, neverLeft, newKekName, type Pkcs11Kek, sweepKeks } from './pkcs11-keks.ts';
import type { Handle } from './pkcs11-sdk.ts';
import { type Pkcs11Session, Pkcs11Token } from './pkcs11-token.ts';
import { unwrapInToken, wrapInToken } from './pkcs11-wrapping.ts';
import { requireWrappedBy } from './remote-wrapping.ts';

/** Options of {@link pkcs11KeyManager}. */
export interface Pkcs11KeyManagerOptions {
  /** The path of the token's PKCS #11 library, such as `/usr/lib/softhsm/libsofthsm2.so`. */
  readonly module: string;
  /** The label of the token. Give this or `slot`. */
  readonly tokenLabel?: string | undefined;
  /** The id of the slot that the token is in. SoftHSM changes it when it initialises a token: prefer `tokenLabel`. */
  readonly slot?: number | bigint | undefined;
  /** The PIN of the token's user. Refused once, it is not sent again. */
  readonly pin: string;
  /** The region in which the token stands; residency is decided by it. */
  readonly region: string;
  /** What wrapped keys name this manager by; `pkcs11/<region>` unless told, which tells apart one token per region. */
  readonly provider?: string | undefined;
  /**
   * Whether `createKey({ protection: 'hsm' })` makes a key in a token that is a program, such as SoftHSM, instead of failing; false unless
   * told. A stand-in for trying premium tenants without a device: `describe` goes on saying `software`.
   */
  readonly softwareTokenAsHsm?: boolean | undefined;
}

const longestDays = 365;

/**
 * A key manager whose KEKs are AES-256 keys in a PKCS #11 token: an HSM without a cloud, or SoftHSM. Needs the optional peer `pkcs11js`.
 *
 * A wrapped key has 61 bytes: format (1, `0x01`), nonce (12, from the token), ciphertext (32), tag (16), made by the token with
 * CKM_AES_GCM. The AAD is `tenancy.pkcs11`, the format byte, KEK name, tenant id and purpose, each with its length in front. See
 * docs/kms-pkcs11.md for set-up, limits and failures.
 *
 * @example
 * ```ts
 * const kms = pkcs11KeyManager({ module: '/usr/lib/softhsm/libsofthsm2.so', tokenLabel: 'tenancy', pin, region: 'eu-central-1' });
 * const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'hsm' });
 * ```
 * @throws {ConfigurationError} when module, pin or region is empty, or not exactly one of tokenLabel and slot is given
 */
export function pkcs11KeyManager(options: Pkcs11KeyManagerOptions): Pkcs11KeyManager {
  return new Pkcs11KeyManager(options);
}

/**
 * Made by {@link pkcs11KeyManager}. Calls into the token block the event loop while they last.
 *
 * @example
 * ```ts
 * await using kms = pkcs11KeyManager({ module, tokenLabel: 'tenancy', pin, region: 'eu-central-1' });
 * const { protection } = await kms.describe(keyRef);
 * ```
 */
export class Pkcs11KeyManager implements KeyManager {
  /** What wrapped keys name this manager by. */
  readonly provider: string;
  /** The region in which the token stands. */
  readonly region: string;
  /** `stand-in` with `softwareTokenAsHsm`, else `hsm`: whether the token is a device shows when the key is made. */
  readonly hsmKeys: HsmKeys;
  readonly #token: Pkcs11Token;
  readonly #module: string;
  readonly #softwareTokenAsHsm: boolean;
  #closed = false;

  /** @throws {ConfigurationError} when module, pin or region is empty, or not exactly one of tokenLabel and slot is given */
  constructor(options: Pkcs11KeyManagerOptions) {
    for (const name of ['module', 'pin', 'region'] as const) {
      if (typeof options[name] !== 'string' || options[name] === '') throw new ConfigurationError(`pkcs11KeyManager needs a ${name}.`);
    }
    const { module, slot, tokenLabel, pin, region } = options;
    if ((slot === undefined) === (tokenLabel === undefined)) {
      throw new ConfigurationError('pkcs11KeyManager needs either a tokenLabel or a slot.', {
        hint: 'The label is the steadier of the two.',
      });
    }
    this.region = region;
    this.hsmKeys = options.softwareTokenAsHsm === true ? 'stand-in' : 'hsm';
    this.provider = options.provider ?? `pkcs11/${region}`;
    this.#module = module;
    this.#token = new Pkcs11Token({ module, slot, tokenLabel, pin, provider: this.provider });
    this.#softwareTokenAsHsm = options.softwareTokenAsHsm ?? false;
  }

  /**
   * Makes a KEK in the token and answers with its label, `tenancy-<tenant>-<32 hex digits>`.
   *
   * @throws {KeyManagerError} `denied` for `hsm` in a token that is a program, without `softwareTokenAsHsm`
   * @throws {InvalidTenantIdError} when the tenant id is none, nor `platform`
   */
  async createKey(request: { readonly tenantId: string; readonly protection: KeyProtection }, call?: KeyManagerCall): Promise<string> {
    const { tenantId, protection } = request;
    if (tenantId !== 'platform') parseTenantId(tenantId);
    return this.#run('create a key', call, (session) => {
      if (protection === 'hsm' && !session.hardware && !this.#softwareTokenAsHsm) {
        throw new KeyManagerError(
          `A key in an HSM was asked for tenant ${tenantId}, and the token of ${this.provider} is not known as a device.`,
          {
            reason: 'denied',
            tenantId,
            hint: 'Use a token that is one, or softwareTokenAsHsm: true to try premium tenants without.',
          },
        );
      }
      sweepKeks(session);
      const keyRef = newKekName(tenantId);
      makeKek(session, keyRef);
      return keyRef;
    });
  }

  /** A fresh 32-byte key, plain and wrapped; made in the process, from its random source. */
  async generateDataKey(keyRef: string, context: KeyContext, call?: KeyManagerCall): Promise<GeneratedDataKey> {
    const key = newDataKey();
    return { key, wrapped: await this.wrap(keyRef, key, context, call) };
  }

  /** Wraps a key in the token. @throws {ConfigurationError} when the key has not 32 bytes */
  async wrap(keyRef: string, key: KeyObject, context: KeyContext, call?: KeyManagerCall): Promise<WrappedKey> {
    requireDataKey(key);
    return this.#run('wrap', call, (session) => this.#wrap(session, keyRef, key, context));
  }

  /** Opens a wrapped key in the token; {@link KeyManager.unwrap} says what it refuses. */
  async unwrap(wrapped: WrappedKey, context: KeyContext, call?: KeyManagerCall): Promise<KeyObject> {
    requireWrappedBy(this.provider, wrapped, context);
    return this.#run('unwrap', call, (session) => this.#unwrap(session, wrapped, context));
  }

  /** Wraps the same key anew, with another nonce, or under `target`. */
  async rewrap(wrapped: WrappedKey, context: KeyContext, target?: string, call?: KeyManagerCall): Promise<WrappedKey> {
    requireWrappedBy(this.provider, wrapped, context);
    return this.#run('rewrap', call, (session) =>
      this.#wrap(session, target ?? wrapped.keyRef, this.#unwrap(session, wrapped, context), context),
    );
  }

  /** A KEK's state. Its protection is `hsm` when the token is a device, made the key, and says that it was never readable outside. */
  async describe(keyRef: string, call?: KeyManagerCall): Promise<KeyDescription> {
    return this.#run('describe', call, (session) => {
      const kek = this.#find(session, keyRef);
      const protection = session.hardware && neverLeft(session, kek) ? 'hsm' : 'software';
      return { keyRef, region: this.region, protection, state: kek.state, createdAt: madeAt(keyRef) };
    });
  }

  /**
   * Lets a KEK refuse all work, with the next call of every process that uses the token through this library.
   *
   * @throws {KeyManagerError} `pendingDeletion` when it is to be deleted already
   */
  async disable(keyRef: string, call?: KeyManagerCall): Promise<void> {
    await this.#run('disable', call, (session) => {
      sweepKeks(session);
      const { state } = this.#find(session, keyRef);
      if (state === 'pendingDeletion') throw keyFailure('pendingDeletion', keyRef, 'is to be deleted already');
      if (state === 'enabled') markDisabled(session, keyRef);
    });
  }

  /**
   * From now on the key refuses all work. When the days are over, the first call that names it, and the next `createKey`, `disable` or
   * `scheduleDeletion`, destroys it. A key that is to be deleted already keeps the earlier date.
   *
   * @param days 0 to 365; 0 destroys at once and for good
   * @throws {ConfigurationError} when days is anything else
   */
  async scheduleDeletion(keyRef: string, days: number, call?: KeyManagerCall): Promise<void> {
    if (!Number.isInteger(days) || days < 0 || days > longestDays) {
      throw new ConfigurationError(`A key can't be deleted in ${days} days.`, { hint: `Give whole days, from 0 to ${longestDays}.` });
    }
    await this.#run('schedule a deletion', call, (session) => {
      sweepKeks(session);
      const { deleteAt: earlier } = this.#find(session, keyRef);
      const deleteAt = new Date(Date.now() + days * 86_400_000);
      if (earlier === undefined || deleteAt < earlier) markDeletion(session, keyRef, deleteAt);
      if (days === 0) findKek(session, keyRef);
    });
  }

  /** Ends the session, and with the last one of the process the login. The library stays loaded: others may be using it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#token.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [inspect.custom](): string {
    return `Pkcs11KeyManager(${this.#module}, ${this.region})`;
  }

  async #run<T>(doing: string, call: KeyManagerCall | undefined, work: (session: Pkcs11Session) => T): Promise<T> {
    this.#admit(doing, call);
    await this.#token.load();
    this.#admit(doing, call);
    return this.#token.run(doing, work);
  }

  #admit(doing: string, call: KeyManagerCall | undefined): void {
    if (this.#closed) throw new ClosedError(`${this.provider} was asked to ${doing} with a key manager that is closed.`);
    if (call?.signal?.aborted === true)
      throw new AbortedError(`Waiting for ${this.provider} to ${doing} was aborted.`, { cause: call.signal.reason });
  }

  #find(session: Pkcs11Session, keyRef: string): Pkcs11Kek {
    const kek = findKek(session, keyRef);
    if (kek === undefined) throw keyFailure('notFound', keyRef, 'is not in the token');
    return kek;
  }

  #usable(session: Pkcs11Session, keyRef: string): Handle {
    const { handle, state } = this.#find(session, keyRef);
    if (state === 'disabled') throw keyFailure('disabled', keyRef, 'is disabled');
    if (state === 'pendingDeletion') throw keyFailure('pendingDeletion', keyRef, 'is to be deleted');
    return handle;
  }

  #wrap(session: Pkcs11Session, keyRef: string, key: KeyObject, context: KeyContext): WrappedKey {
    const kek = this.#usable(session, keyRef);
    return { provider: this.provider, keyRef, ciphertext: wrapInToken({ session, kek, keyRef, context }, key) };
  }

  #unwrap(session: Pkcs11Session, { keyRef, ciphertext }: WrappedKey, context: KeyContext): KeyObject {
    const kek = this.#usable(session, keyRef);
    return unwrapInToken({ session, kek, keyRef, context }, ciphertext, this.provider);
  }
}
