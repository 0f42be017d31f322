import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { ServiceError } from '../service-error.ts';

export type EncryptionContext = Readonly<Record<string, string>>;

export interface AwsKey {
  readonly id: string;
  readonly arn: string;
  readonly material: Buffer;
  readonly origin: string;
  readonly customKeyStoreId: string | undefined;
  readonly description: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly createdAt: Date;
  state: string;
  deletionDate: Date | undefined;
}

const idLength = 36;
const ivLength = 12;
const tagLength = 16;

/** The keys of one account in one region, and what they encrypt: AES-256-GCM with the encryption context as associated data. */
export class AwsKeys {
  readonly region: string;
  readonly account = '111122223333';
  readonly #keys = new Map<string, AwsKey>();

  constructor(region: string) {
    this.region = region;
  }

  get size(): number {
    return this.#keys.size;
  }

  make(options: Pick<AwsKey, 'origin' | 'customKeyStoreId' | 'description' | 'tags'>): AwsKey {
    const id = randomUUID();
    const key: AwsKey = {
      ...options,
      id,
      arn: `arn:aws:kms:${this.region}:${this.account}:key/${id}`,
      material: randomBytes(32),
      createdAt: new Date(),
      state: 'Enabled',
      deletionDate: undefined,
    };
    this.#keys.set(id, key);
    return key;
  }

  /** By id or ARN, whatever its state. */
  find(keyId: string): AwsKey {
    let id = keyId;
    if (keyId.startsWith('arn:')) {
      const prefix = `arn:aws:kms:${this.region}:`;
      if (!keyId.startsWith(prefix)) throw new ServiceError('NotFoundException', 400, `Invalid arn ${keyId.split(':')[3]}`);
      id = keyId.slice(keyId.indexOf('key/') + 4);
      if (keyId !== `${prefix}${this.account}:key/${id}`) throw new ServiceError('NotFoundException', 400, `Key '${keyId}' does not exist`);
    }
    const key = this.#keys.get(id);
    if (key === undefined) throw new ServiceError('NotFoundException', 400, `Key '${keyId}' does not exist`);
    return key;
  }

  /** By id or ARN, for cryptographic work. */
  usable(keyId: string): AwsKey {
    const key = this.find(keyId);
    if (key.state === 'Disabled') throw new ServiceError('DisabledException', 400, `${key.arn} is disabled.`);
    this.requireNot(key, 'PendingDeletion', 'Unavailable', 'PendingImport', 'Creating');
    return key;
  }

  requireNot(key: AwsKey, ...states: readonly string[]): void {
    if (!states.includes(key.state)) return;
    const words = key.state.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
    throw new ServiceError('KMSInvalidStateException', 400, `${key.arn} is ${words}.`);
  }

  encrypt(key: AwsKey, plaintext: Buffer, context: EncryptionContext): Buffer {
    const iv = randomBytes(ivLength);
    const cipher = createCipheriv('aes-256-gcm', key.material, iv).setAAD(canonical(key.id, context));
    return Buffer.concat([Buffer.from(key.id), iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  }

  /** @param keyId the key that the caller says it was; the one that the bytes name unless told */
  decrypt(bytes: Buffer, context: EncryptionContext, keyId: string | undefined): { readonly key: AwsKey; readonly plaintext: Buffer } {
    const claimed = keyId === undefined ? undefined : this.usable(keyId);
    const key = this.#keys.get(bytes.subarray(0, idLength).toString('latin1'));
    if (key === undefined || bytes.byteLength <= idLength + ivLength + tagLength) throw invalidCiphertext();
    if (claimed !== undefined && claimed !== key)
      throw new ServiceError(
        'IncorrectKeyException',
        400,
        'The key ID in the request does not identify a CMK that can perform this operation.',
      );
    this.usable(key.arn);
    const iv = bytes.subarray(idLength, idLength + ivLength);
    const decipher = createDecipheriv('aes-256-gcm', key.material, iv, { authTagLength: tagLength });
    decipher.setAAD(canonical(key.id, context)).setAuthTag(bytes.subarray(-tagLength));
    try {
      return { key, plaintext: Buffer.concat([decipher.update(bytes.subarray(idLength + ivLength, -tagLength)), decipher.final()]) };
    } catch {
      throw invalidCiphertext();
    }
  }
}

/** AWS says no word more. */
function invalidCiphertext(): ServiceError {
  return new ServiceError('InvalidCiphertextException', 400, '');
}

function canonical(keyId: string, context: EncryptionContext): Buffer {
  return Buffer.from(JSON.stringify([keyId, Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))]));
}
