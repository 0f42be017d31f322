import { ConfigurationError, KeyManagerError } from '../errors.ts';
import { isLost, pkcs11Failure, returnValueOf } from './pkcs11-failure.ts';
import { openPkcs11Module, type Pkcs11Module } from './pkcs11-module.ts';
import type { Handle } from './pkcs11-sdk.ts';

export interface Pkcs11TokenOptions {
  readonly module: string;
  readonly slot?: number | bigint | undefined;
  readonly tokenLabel?: string | undefined;
  readonly pin: string;
  readonly provider: string;
}

/** A session with a user logged in, valid during the work that it is given to. */
export interface Pkcs11Session extends Pkcs11Module {
  readonly handle: Handle;
  /** Whether the token is a device, as its slot tells; never for programs that are known to be none. */
  readonly hardware: boolean;
}

/** Manufacturers of tokens that are programs: what they say of themselves in CK_TOKEN_INFO. */
const softwareMakers = /^(SoftHSM project|Mozilla Foundation|Kryoptic|p11-kit)/i;

/** CKF_HW_SLOT, which the types of pkcs11js leave out. */
const hardwareSlot = 0x4;

/**
 * One token and one session with it. All work is synchronous, so nothing of a process runs between the parts of one piece of work, and
 * close can't come in between; the event loop waits meanwhile.
 *
 * A session that was lost (the token removed, the library finalised by somebody else, a log-out) is opened anew once for each piece of
 * work. A refused PIN is never sent again: tokens lock themselves after a few.
 */
export class Pkcs11Token {
  readonly #options: Pkcs11TokenOptions;
  readonly #pin: string;
  #loading: Promise<Pkcs11Module> | undefined;
  #module: Pkcs11Module | undefined;
  #session: Pkcs11Session | undefined;
  #refused: KeyManagerError | undefined;

  constructor(options: Pkcs11TokenOptions) {
    this.#options = { ...options, pin: '' };
    this.#pin = options.pin;
  }

  /** Loads the library; what {@link run} needs. @throws {ConfigurationError} when it can't be */
  async load(): Promise<void> {
    this.#loading ??= openPkcs11Module(this.#options.module);
    this.#loading.catch(() => {
      this.#loading = undefined;
    });
    this.#module = await this.#loading;
  }

  /**
   * Does the work in the session, once more in a new one when the first was lost: work may be done twice.
   *
   * @throws {KeyManagerError} what a return value of the token means
   */
  run<T>(doing: string, work: (session: Pkcs11Session) => T): T {
    try {
      return this.#once(work);
    } catch (error) {
      if (!isLost(error)) throw this.#typed(doing, error);
    }
    try {
      return this.#once(work);
    } catch (error) {
      throw this.#typed(doing, error);
    }
  }

  /** Closes the session; the last one of a process logs out with it. */
  close(): void {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    try {
      session.library.C_CloseSession(session.handle);
    } catch (error) {
      if (returnValueOf(error) === undefined) throw error;
    }
  }

  #once<T>(work: (session: Pkcs11Session) => T): T {
    const session = this.#open();
    try {
      return work(session);
    } catch (error) {
      // What was begun in it is unfinished, and would be in the way of the next.
      if (returnValueOf(error) !== undefined) this.close();
      throw error;
    }
  }

  #open(): Pkcs11Session {
    if (this.#refused !== undefined) throw this.#refused;
    if (this.#session !== undefined) return this.#session;
    const { sdk, library } = this.#module!;
    ignoring('CKR_CRYPTOKI_ALREADY_INITIALIZED', () => library.C_Initialize({ flags: sdk.CKF_OS_LOCKING_OK }));
    const slot = this.#slot();
    const handle = library.C_OpenSession(slot, sdk.CKF_SERIAL_SESSION | sdk.CKF_RW_SESSION);
    try {
      ignoring('CKR_USER_ALREADY_LOGGED_IN', () => library.C_Login(handle, sdk.CKU_USER, this.#pin));
    } catch (error) {
      library.C_CloseSession(handle);
      const failure = this.#typed('log in', error);
      if (returnValueOf(error)?.startsWith('CKR_PIN') === true && failure instanceof KeyManagerError) this.#refused = failure;
      throw error;
    }
    const { manufacturerID } = library.C_GetTokenInfo(slot);
    const hardware = (library.C_GetSlotInfo(slot).flags & hardwareSlot) !== 0 && !softwareMakers.test(manufacturerID);
    this.#session = { sdk, library, handle, hardware };
    return this.#session;
  }

  #slot(): Handle {
    const { library } = this.#module!;
    const { slot, tokenLabel, module } = this.#options;
    const slots = library.C_GetSlotList(true);
    const found = slots.filter((handle) =>
      slot !== undefined ? numberOf(handle) === BigInt(slot) : library.C_GetTokenInfo(handle).label.trimEnd() === tokenLabel,
    );
    const wanted = slot === undefined ? `labelled ${JSON.stringify(tokenLabel)}` : `in slot ${slot}`;
    if (found.length > 1) {
      throw new ConfigurationError(`${module} has ${found.length} tokens ${wanted}.`, { hint: 'Name the one that is meant by its slot.' });
    }
    if (found[0] === undefined) {
      throw new KeyManagerError(`${module} has no token ${wanted}.`, {
        reason: 'unavailable',
        hint: 'See which there are with: pkcs11-tool --list-slots, or softhsm2-util --show-slots.',
      });
    }
    return found[0];
  }

  #typed(doing: string, error: unknown): unknown {
    const value = returnValueOf(error);
    return value === undefined ? error : pkcs11Failure(doing, this.#options.provider, value);
  }
}

/** A CK_ULONG as the machine lays it out: little-endian wherever Node runs with PKCS #11. */
function numberOf(handle: Handle): bigint {
  return handle.byteLength === 8 ? handle.readBigUInt64LE() : BigInt(handle.readUInt32LE());
}

function ignoring(value: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (returnValueOf(error) !== value) throw error;
  }
}
