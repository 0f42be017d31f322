import { constants, createCipheriv, createDecipheriv, createHash, privateDecrypt, publicEncrypt, randomBytes } from 'node:crypto';
import { bad, type VaultKeyVersion } from './vault-keys.ts';

type Input = Readonly<Record<string, unknown>>;

const oaep = { oaepHash: 'sha256', padding: constants.RSA_PKCS1_OAEP_PADDING } as const;
const tagLength = 16;

/** What a key version does, by the last part of its path: the operation's name in `key_ops`, and its work. */
export const cryptography: Readonly<Record<string, readonly [string, (key: VaultKeyVersion, input: Input) => Record<string, string>]>> = {
  wrapkey: [
    'wrapKey',
    (key, input) => rsaOnly(key, input, 'RSA-OAEP-256', (value) => publicEncrypt({ key: key.publicKey!, ...oaep }, value)),
  ],
  unwrapkey: [
    'unwrapKey',
    (key, input) => rsaOnly(key, input, 'RSA-OAEP-256', (value) => privateDecrypt({ key: key.material, ...oaep }, value)),
  ],
  sign: [
    'sign',
    (key, input) =>
      rsaOnly(key, input, 'PS256', (digest) => {
        if (digest.byteLength !== 32) throw bad('A digest of 32 bytes is needed.');
        return signDigest(key, digest);
      }),
  ],
  encrypt: [
    'encrypt',
    (key, input) => {
      const iv = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', gcmKey(key, input), iv).setAAD(bytes(input, 'aad'));
      const value = Buffer.concat([cipher.update(bytes(input, 'value')), cipher.final()]);
      return { value: text(value), iv: text(iv), tag: text(cipher.getAuthTag()), aad: text(bytes(input, 'aad')) };
    },
  ],
  decrypt: [
    'decrypt',
    (key, input) => {
      try {
        const decipher = createDecipheriv('aes-256-gcm', gcmKey(key, input), bytes(input, 'iv'), { authTagLength: tagLength });
        decipher.setAAD(bytes(input, 'aad')).setAuthTag(bytes(input, 'tag'));
        return { value: text(Buffer.concat([decipher.update(bytes(input, 'value')), decipher.final()])) };
      } catch {
        throw bad('The operation failed: the tag does not match.');
      }
    },
  ],
};

function rsaOnly(key: VaultKeyVersion, input: Input, algorithm: string, work: (value: Buffer) => Buffer): Record<string, string> {
  if (key.publicKey === undefined || input['alg'] !== algorithm) throw bad(`Algorithm ${input['alg']} is not supported by this key.`);
  try {
    return { value: text(work(bytes(input, 'value'))) };
  } catch {
    throw bad('The parameter is incorrect.');
  }
}

function gcmKey(key: VaultKeyVersion, input: Input): VaultKeyVersion['material'] {
  if (key.publicKey !== undefined || input['alg'] !== 'A256GCM') throw bad(`Algorithm ${input['alg']} is not supported by this key.`);
  return key.material;
}

/** RSASSA-PSS over a digest that was made elsewhere: node:crypto has no call for it, so the padding is made here (RFC 8017, 9.1.1). */
function signDigest(key: VaultKeyVersion, digest: Buffer): Buffer {
  const length = key.material.asymmetricKeyDetails!.modulusLength! / 8;
  const salt = randomBytes(32);
  const hash = createHash('sha256')
    .update(Buffer.concat([Buffer.alloc(8), digest, salt]))
    .digest();
  const block = Buffer.concat([Buffer.alloc(length - 66), Buffer.of(1), salt]);
  const mask = mgf1(hash, block.byteLength);
  for (let i = 0; i < block.byteLength; i += 1) block[i]! ^= mask[i]!;
  block[0]! &= 0x7f;
  const encoded = Buffer.concat([block, hash, Buffer.of(0xbc)]);
  return privateDecrypt({ key: key.material, padding: constants.RSA_NO_PADDING }, encoded);
}

function mgf1(seed: Buffer, length: number): Buffer {
  const parts: Buffer[] = [];
  for (let counter = 0; parts.length * 32 < length; counter += 1) {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(counter);
    parts.push(createHash('sha256').update(seed).update(number).digest());
  }
  return Buffer.concat(parts).subarray(0, length);
}

function bytes(input: Input, name: string): Buffer {
  return Buffer.from(String(input[name] ?? ''), 'base64url');
}

function text(value: Buffer): string {
  return value.toString('base64url');
}
