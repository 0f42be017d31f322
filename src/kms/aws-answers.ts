import type { KeyObject } from 'node:crypto';
import { dataKeyFrom, dataKeyLength } from '../crypto/data-key.ts';
import { KeyManagerError, type KeyManagerFailure } from '../errors.ts';
import { keyFailure } from './key-failure.ts';
import type { WrappedKey } from './key-manager.ts';

/** What is believed of AWS's answers: an SDK's types promise less than what is needed, and a proxy may answer anything. */
export class AwsAnswers {
  readonly #provider: string;

  constructor(provider: string) {
    this.#provider = provider;
  }

  /** @throws {KeyManagerError} `wrongKey` when an answer names another key than was asked for, `unavailable` when it names none */
  requireKey(answered: string | undefined, keyRef: string): void {
    if (answered === undefined) throw this.strange('something', 'that names its key');
    if (answered !== keyRef) throw keyFailure('wrongKey', keyRef, `was asked for, and ${this.#provider} answered with another`);
  }

  /** @param otherwise the reason when the provider holds another kind of secret there than a data key */
  keyOf(plaintext: Uint8Array | undefined, otherwise: KeyManagerFailure): KeyObject {
    if (plaintext?.byteLength === dataKeyLength) return dataKeyFrom(plaintext);
    plaintext?.fill(0);
    throw this.strange('a data key', `of ${dataKeyLength} bytes`, plaintext === undefined ? 'unavailable' : otherwise);
  }

  /** @throws {KeyManagerError} `unavailable` when there are no bytes */
  wrapped(keyRef: string, ciphertext: Uint8Array | undefined): WrappedKey {
    if (ciphertext === undefined || ciphertext.byteLength === 0) throw this.strange('a wrapped key', 'with bytes');
    return { provider: this.#provider, keyRef, ciphertext: Buffer.from(ciphertext) };
  }

  /** The error for an answer that is none. */
  strange(what: string, wanted: string, reason: KeyManagerFailure = 'unavailable'): KeyManagerError {
    return new KeyManagerError(`${this.#provider} answered with ${what} that is not one ${wanted}.`, { reason });
  }
}
