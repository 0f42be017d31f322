import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { crc32c } from '../../../../src/kms/crc32c.ts';
import { ServiceError } from '../service-error.ts';

/** A message of the API as an object: enumerations by name, numbers of 64 bits as strings, bytes as buffers. */
export type Message = Record<string, unknown>;

type State = 'ENABLED' | 'DISABLED' | 'DESTROYED' | 'DESTROY_SCHEDULED' | 'PENDING_GENERATION';
type Level = 'SOFTWARE' | 'HSM';

interface Version {
  readonly id: number;
  readonly material: Buffer;
  readonly createdAt: number;
  state: State;
  destroyAt: number | undefined;
  /** How many reads and calls still find it being made. */
  generating: number;
}

interface Key {
  readonly name: string;
  readonly level: Level;
  readonly labels: Message;
  readonly destroySeconds: number;
  readonly versions: Version[];
  primary: number;
}

const ivLength = 12;
const tagLength = 16;

/** The key rings of one server, and what Google's documentation says of each method: states, limits, checksums, refusals. */
export class GcpKeys {
  readonly #rings: ReadonlySet<string>;
  readonly #keys = new Map<string, Key>();
  /** Added to the clock, in milliseconds. */
  ahead = 0;
  /** For how many calls a new HSM key is being made. */
  generating = 0;

  constructor(rings: readonly string[]) {
    this.#rings = new Set(rings);
  }

  get size(): number {
    return this.#keys.size;
  }

  createCryptoKey(request: Message): Message {
    const { parent, cryptoKeyId, cryptoKey } = request as { parent: string; cryptoKeyId: string; cryptoKey: Message };
    if (!this.#rings.has(parent)) throw notFound(`KeyRing ${parent}`);
    if (!/^[a-zA-Z0-9_-]{1,63}$/.test(cryptoKeyId)) throw invalid('cryptoKeyId is not valid.');
    const name = `${parent}/cryptoKeys/${cryptoKeyId}`;
    if (this.#keys.has(name)) throw new ServiceError('ALREADY_EXISTS', 409, `CryptoKey ${name} already exists.`);
    const template = (cryptoKey['versionTemplate'] ?? {}) as Message;
    if (cryptoKey['purpose'] !== 'ENCRYPT_DECRYPT' || template['algorithm'] !== 'GOOGLE_SYMMETRIC_ENCRYPTION')
      throw invalid('The purpose and algorithm are not valid together.');
    for (const [label, value] of Object.entries((cryptoKey['labels'] ?? {}) as Message)) {
      if (!/^[a-z][a-z0-9_-]{0,62}$/.test(label) || !/^[a-z0-9_-]{0,63}$/.test(String(value))) throw invalid('A label is not valid.');
    }
    const duration = cryptoKey['destroyScheduledDuration'] as { seconds?: unknown } | undefined;
    const destroySeconds = duration === undefined || duration === null ? 30 * 86_400 : Number(duration.seconds);
    if (destroySeconds < 86_400 || destroySeconds > 120 * 86_400) throw invalid('destroyScheduledDuration is out of range.');
    const key: Key = {
      name,
      level: (template['protectionLevel'] ?? 'SOFTWARE') as Level,
      labels: (cryptoKey['labels'] ?? {}) as Message,
      destroySeconds,
      versions: [],
      primary: 1,
    };
    this.#keys.set(name, key);
    this.#addVersion(key);
    return this.#describe(key);
  }

  getCryptoKey({ name }: Message): Message {
    return this.#describe(this.#find(String(name)));
  }

  listCryptoKeyVersions({ parent }: Message): Message {
    const key = this.#find(String(parent));
    return { cryptoKeyVersions: key.versions.map((version) => this.#describeVersion(key, version)), totalSize: key.versions.length };
  }

  updateCryptoKeyVersion({ cryptoKeyVersion, updateMask }: Message): Message {
    const wanted = cryptoKeyVersion as Message;
    const [key, version] = this.#version(String(wanted['name']));
    const paths = (updateMask as { paths?: readonly string[] } | undefined)?.paths ?? [];
    if (paths.length !== 1 || paths[0] !== 'state') throw invalid('update_mask must be state.');
    if (version.state !== 'ENABLED' && version.state !== 'DISABLED') throw this.#wrongState(key, version);
    if (wanted['state'] !== 'ENABLED' && wanted['state'] !== 'DISABLED') throw invalid('state can only be ENABLED or DISABLED.');
    version.state = wanted['state'];
    return this.#describeVersion(key, version);
  }

  destroyCryptoKeyVersion({ name }: Message): Message {
    const [key, version] = this.#version(String(name));
    if (version.state !== 'ENABLED' && version.state !== 'DISABLED') throw this.#wrongState(key, version);
    version.state = 'DESTROY_SCHEDULED';
    version.destroyAt = this.#now() + key.destroySeconds * 1_000;
    return this.#describeVersion(key, version);
  }

  encrypt(request: Message): Message {
    const { name, plaintext, additionalAuthenticatedData: aad } = bytesOf(request);
    const key = this.#find(name);
    const limit = key.level === 'HSM' ? 8_192 : 65_536;
    const size = key.level === 'HSM' ? plaintext.byteLength + aad.byteLength : Math.max(plaintext.byteLength, aad.byteLength);
    if (size > limit) throw invalid(`The request is larger than ${limit} bytes.`);
    const checked = {
      plaintext: compare(request, 'plaintext', plaintext),
      aad: compare(request, 'additionalAuthenticatedData', aad),
    };
    const version = key.versions.find(({ id }) => id === key.primary)!;
    this.#settle(version);
    if (version.state !== 'ENABLED') throw this.#wrongState(key, version);
    const iv = randomBytes(ivLength);
    const cipher = createCipheriv('aes-256-gcm', version.material, iv, { authTagLength: tagLength });
    cipher.setAAD(aad);
    const head = Buffer.alloc(5);
    head[0] = 0x0a;
    head.writeUInt32BE(version.id, 1);
    const ciphertext = Buffer.concat([head, iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    return {
      name: `${key.name}/cryptoKeyVersions/${version.id}`,
      ciphertext,
      ciphertextCrc32c: { value: String(crc32c(ciphertext)) },
      verifiedPlaintextCrc32c: checked.plaintext,
      verifiedAdditionalAuthenticatedDataCrc32c: checked.aad,
      protectionLevel: key.level,
    };
  }

  decrypt(request: Message): Message {
    const { name, ciphertext, additionalAuthenticatedData: aad } = bytesOf(request);
    const key = this.#find(name);
    if (ciphertext.byteLength === 0) throw invalid('ciphertext is required.');
    compare(request, 'ciphertext', ciphertext);
    compare(request, 'additionalAuthenticatedData', aad);
    const version =
      ciphertext.byteLength > 5 + ivLength + tagLength && ciphertext[0] === 0x0a
        ? key.versions.find(({ id }) => id === ciphertext.readUInt32BE(1))
        : undefined;
    if (version === undefined) {
      // A version that is told is looked at before the bytes are; bytes that tell none can't be anybody's.
      const enabled = key.versions.find(({ state }) => state === 'ENABLED');
      if (enabled === undefined) throw this.#wrongState(key, key.versions.at(-1)!);
      throw undecipherable();
    }
    this.#settle(version);
    if (version.state !== 'ENABLED') throw this.#wrongState(key, version);
    try {
      const iv = ciphertext.subarray(5, 5 + ivLength);
      const decipher = createDecipheriv('aes-256-gcm', version.material, iv, { authTagLength: tagLength });
      decipher.setAAD(aad).setAuthTag(ciphertext.subarray(-tagLength));
      const plaintext = Buffer.concat([decipher.update(ciphertext.subarray(5 + ivLength, -tagLength)), decipher.final()]);
      return {
        plaintext,
        plaintextCrc32c: { value: String(crc32c(plaintext)) },
        usedPrimary: version.id === key.primary,
        protectionLevel: key.level,
      };
    } catch {
      throw undecipherable();
    }
  }

  /** A new version becomes primary, as by a rotation schedule. */
  rotate(name: string): void {
    const key = this.#find(name);
    this.#addVersion(key);
    key.primary = key.versions.length;
  }

  /** What Google's console does with a version: enable, disable, restore. */
  setState(name: string, state: 'ENABLED' | 'DISABLED'): void {
    const [, version] = this.#version(name);
    version.state = state;
    version.destroyAt = undefined;
  }

  #addVersion(key: Key): void {
    const generating = key.level === 'HSM' ? this.generating : 0;
    key.versions.push({
      id: key.versions.length + 1,
      material: randomBytes(32),
      createdAt: this.#now(),
      state: generating > 0 ? 'PENDING_GENERATION' : 'ENABLED',
      destroyAt: undefined,
      generating,
    });
  }

  #find(name: string): Key {
    if (!/^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/.test(name)) throw invalid('name is not valid.');
    const key = this.#keys.get(name);
    if (key === undefined) throw notFound(`CryptoKey ${name}`);
    for (const version of key.versions) {
      if (version.destroyAt !== undefined && version.destroyAt <= this.#now()) {
        version.state = 'DESTROYED';
        version.destroyAt = undefined;
        version.material.fill(0);
      }
    }
    return key;
  }

  #version(name: string): [Key, Version] {
    const [, keyName = '', id = ''] = /^(.+)\/cryptoKeyVersions\/(\d+)$/.exec(name) ?? [];
    const key = this.#find(keyName);
    const version = key.versions.find((one) => one.id === Number(id));
    if (version === undefined) throw notFound(`CryptoKeyVersion ${name}`);
    return [key, version];
  }

  #settle(version: Version): void {
    if (version.state !== 'PENDING_GENERATION') return;
    version.generating -= 1;
    if (version.generating < 0) version.state = 'ENABLED';
  }

  #describe(key: Key): Message {
    const primary = key.versions.find(({ id }) => id === key.primary)!;
    return {
      name: key.name,
      primary: this.#describeVersion(key, primary),
      purpose: 'ENCRYPT_DECRYPT',
      createTime: timestamp(key.versions[0]!.createdAt),
      labels: key.labels,
      destroyScheduledDuration: { seconds: String(key.destroySeconds) },
      versionTemplate: { protectionLevel: key.level, algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION' },
    };
  }

  #describeVersion(key: Key, { id, state, createdAt, destroyAt }: Version): Message {
    return {
      name: `${key.name}/cryptoKeyVersions/${id}`,
      state,
      protectionLevel: key.level,
      algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION',
      createTime: timestamp(createdAt),
      ...(destroyAt === undefined ? {} : { destroyTime: timestamp(destroyAt) }),
    };
  }

  #wrongState(key: Key, { id, state }: Version): ServiceError {
    const message = `${key.name}/cryptoKeyVersions/${id} is not enabled, current state is: ${state}.`;
    return new ServiceError('FAILED_PRECONDITION', 400, message);
  }

  #now(): number {
    return Date.now() + this.ahead;
  }
}

function bytesOf(request: Message): { name: string; plaintext: Buffer; ciphertext: Buffer; additionalAuthenticatedData: Buffer } {
  const read = (field: string): Buffer => Buffer.from((request[field] ?? []) as Uint8Array);
  return {
    name: String(request['name']),
    plaintext: read('plaintext'),
    ciphertext: read('ciphertext'),
    additionalAuthenticatedData: read('additionalAuthenticatedData'),
  };
}

/** Whether a checksum came with the field; one that differs is refused. */
function compare(request: Message, field: string, bytes: Buffer): boolean {
  const sent = request[`${field}Crc32c`] as { value?: unknown } | undefined;
  if (sent === undefined || sent === null) return false;
  if (String(sent.value ?? 0) !== String(crc32c(bytes))) throw invalid(`The checksum in field ${field}_crc32c did not match the data.`);
  return true;
}

function timestamp(ms: number): Message {
  return { seconds: String(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 };
}

function invalid(message: string): ServiceError {
  return new ServiceError('INVALID_ARGUMENT', 400, message);
}

function undecipherable(): ServiceError {
  return invalid("Decryption failed: verify that 'name' refers to the correct CryptoKey.");
}

function notFound(what: string): ServiceError {
  return new ServiceError('NOT_FOUND', 404, `${what} not found.`);
}
