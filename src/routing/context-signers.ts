import type { KeyObject } from 'node:crypto';
import type { ContextMaster } from '../catalog/context-master.ts';
import { deriveContextKey } from '../crypto/context-key.ts';
import { CatalogError, ClosedError } from '../errors.ts';
import { contextMasterContext } from '../keys/key-context.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import { ContextSigner } from '../rls/context-token.ts';

export interface ContextSignersOptions {
  /** Every context master of the catalog. */
  readonly masters: () => Promise<readonly ContextMaster[]>;
  readonly managers: KeyManagers;
  /** How long a signed context is valid, in seconds. */
  readonly ttlSeconds: number;
}

/** Whose contexts a signer signs: one database's, for one login. */
export interface SignerPlace {
  readonly clusterId: string;
  readonly database: string;
  readonly audience: string;
}

interface OpenMaster {
  readonly keyId: string;
  readonly key: KeyObject;
}

/** One signer per database and login, their keys derived from the newest master that is not retired. */
export class ContextSigners {
  readonly #options: ContextSignersOptions;
  readonly #signers = new Map<string, Promise<ContextSigner>>();
  #master: Promise<OpenMaster> | undefined;
  #unwrapped: { readonly keyId: string; readonly ciphertext: Buffer; readonly key: KeyObject } | undefined;
  #closed = false;

  constructor(options: ContextSignersOptions) {
    this.#options = Object.freeze({ ...options });
  }

  /**
   * @throws {CatalogError} when the catalog has no master that may sign
   * @throws {KeyManagerError} when the platform's key can't open it
   * @throws {ClosedError} after `close`
   */
  async signer(place: SignerPlace): Promise<ContextSigner> {
    if (this.#closed) throw new ClosedError('A signed context was asked for after close.');
    const name = JSON.stringify([place.clusterId, place.database, place.audience]);
    let signer = this.#signers.get(name);
    if (signer === undefined) {
      signer = this.#make(place);
      this.#signers.set(name, signer);
      signer.catch(() => {
        if (this.#signers.get(name) === signer) this.#signers.delete(name);
      });
    }
    return await signer;
  }

  /** Masters may have changed: they are read again for the next signer. */
  clear(): void {
    this.#signers.clear();
    this.#master = undefined;
  }

  /** Lets go of the master and of every key made from it: whoever keeps a closed tenancy keeps no keys. */
  close(): void {
    this.#closed = true;
    this.clear();
    this.#unwrapped = undefined;
  }

  async #make(place: SignerPlace): Promise<ContextSigner> {
    const { keyId, key } = await this.#openMaster();
    return new ContextSigner({
      key: deriveContextKey(key, { keyId, clusterId: place.clusterId, database: place.database }),
      keyId,
      database: place.database,
      audience: place.audience,
      ttlSeconds: this.#options.ttlSeconds,
    });
  }

  #openMaster(): Promise<OpenMaster> {
    if (this.#master === undefined) {
      const master = this.#unwrap();
      this.#master = master;
      master.catch(() => {
        if (this.#master === master) this.#master = undefined;
      });
    }
    return this.#master;
  }

  async #unwrap(): Promise<OpenMaster> {
    const masters = await this.#options.masters();
    const [newest] = masters
      .filter((master) => master.retiredAt === undefined)
      .sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
    if (newest === undefined) throw new CatalogError('The catalog has no context master that may sign.', { hint: 'Run `tenancy init`.' });
    const known = this.#unwrapped;
    // Reading the masters again is cheap, asking the key manager is not: the same wrapped bytes hold the same key.
    if (known !== undefined && known.keyId === newest.keyId && known.ciphertext.equals(newest.wrapped.ciphertext)) return known;
    const key = await this.#options.managers.for(newest.wrapped.provider).unwrap(newest.wrapped, contextMasterContext);
    const opened = { keyId: newest.keyId, ciphertext: newest.wrapped.ciphertext, key };
    if (!this.#closed) this.#unwrapped = opened;
    return opened;
  }
}
