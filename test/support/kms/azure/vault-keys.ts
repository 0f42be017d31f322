import { createSecretKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { ServiceError } from '../service-error.ts';

export interface VaultKeyVersion {
  readonly version: string;
  readonly kty: string;
  readonly operations: readonly string[];
  /** The private key of RSA, the key of AES. */
  readonly material: KeyObject;
  readonly publicKey: KeyObject | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly created: number;
  enabled: boolean;
}

export interface VaultOptions {
  /** Whether it is a Managed HSM, which has keys in HSMs only, AES among them. */
  readonly managedHsm: boolean;
  /** Whether the vault is of the tier Premium, which has RSA keys in HSMs. */
  readonly premium: boolean;
  /** For how many days deleted keys can be recovered. */
  readonly retentionDays: number;
}

const rsa = promisify(generateKeyPair);

/** The keys of one vault: versions under names, and soft-deleted names. */
export class VaultKeys {
  readonly options: VaultOptions;
  /** How many reads of a key that is being deleted say 404 before it can be seen among the deleted ones. */
  readsUntilDeleted = 0;
  readonly #keys = new Map<string, VaultKeyVersion[]>();
  readonly #deleted = new Map<string, { readonly versions: VaultKeyVersion[]; hiddenReads: number }>();

  constructor(options: VaultOptions) {
    this.options = options;
  }

  /** Makes a key, or a new version of one. */
  async create(name: string, input: Readonly<Record<string, unknown>>): Promise<VaultKeyVersion> {
    const { kty, key_size: size, key_ops: operations, tags = {} } = input;
    const { managedHsm, premium } = this.options;
    if (this.#deleted.has(name)) {
      throw new ServiceError('Conflict', 409, `Key ${name} is currently in a deleted but recoverable state.`, {
        inner: 'ObjectIsDeletedButRecoverable',
      });
    }
    const allowed = managedHsm ? ['oct-HSM', 'RSA-HSM'] : premium ? ['RSA', 'RSA-HSM'] : ['RSA'];
    if (!allowed.includes(String(kty))) throw bad(`kty ${kty} is not supported here.`);
    const sizes = kty === 'oct-HSM' ? [128, 192, 256] : [2_048, 3_072, 4_096];
    if (!sizes.includes(Number(size))) throw bad(`key_size ${size} is not supported.`);
    const pair = kty === 'oct-HSM' ? undefined : await rsa('rsa', { modulusLength: Number(size) });
    const made: VaultKeyVersion = {
      version: randomBytes(16).toString('hex'),
      kty: String(kty),
      operations: operations as string[],
      material: pair?.privateKey ?? createSecretKey(randomBytes(Number(size) / 8)),
      publicKey: pair?.publicKey,
      tags: tags as Record<string, string>,
      created: Math.floor(Date.now() / 1_000),
      enabled: true,
    };
    this.#keys.set(name, [...(this.#keys.get(name) ?? []), made]);
    return made;
  }

  versions(name: string): readonly VaultKeyVersion[] {
    const versions = this.#keys.get(name);
    if (versions === undefined) throw notFound(name);
    return versions;
  }

  /** @param version the newest when empty */
  find(name: string, version: string): VaultKeyVersion {
    const versions = this.versions(name);
    const found = version === '' ? versions.at(-1) : versions.find((one) => one.version === version);
    if (found === undefined) throw notFound(`${name}/${version}`);
    return found;
  }

  /** A disabled key can't even be read. */
  readable(name: string, version: string, operation = 'get'): VaultKeyVersion {
    const found = this.find(name, version);
    if (found.enabled) return found;
    throw new ServiceError('Forbidden', 403, `Operation ${operation} is not allowed on a disabled key.`, { inner: 'KeyDisabled' });
  }

  /** A version that may do this now. */
  usable(name: string, version: string, operation: string): VaultKeyVersion {
    const found = this.readable(name, version, operation);
    if (!found.operations.includes(operation))
      throw new ServiceError('Forbidden', 403, `Operation ${operation} is not permitted on this key.`);
    return found;
  }

  delete(name: string): VaultKeyVersion {
    const versions = [...this.versions(name)];
    this.#keys.delete(name);
    this.#deleted.set(name, { versions, hiddenReads: this.readsUntilDeleted });
    return versions.at(-1)!;
  }

  deleted(name: string): VaultKeyVersion {
    const found = this.#deleted.get(name);
    if (found === undefined) throw notFound(name);
    if (found.hiddenReads > 0) {
      found.hiddenReads -= 1;
      throw notFound(name);
    }
    return found.versions.at(-1)!;
  }

  recover(name: string): VaultKeyVersion {
    const newest = this.deleted(name);
    this.#keys.set(name, this.#deleted.get(name)!.versions);
    this.#deleted.delete(name);
    return newest;
  }
}

export function bad(message: string): ServiceError {
  return new ServiceError('BadParameter', 400, message);
}

function notFound(name: string): ServiceError {
  return new ServiceError('KeyNotFound', 404, `A key with (name/id) ${name} was not found in this key vault.`);
}
