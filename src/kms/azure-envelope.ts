import { constants, createHash, type KeyObject, publicEncrypt, timingSafeEqual, verify } from 'node:crypto';
import { dataKeyLength } from '../crypto/data-key.ts';
import { lengthPrefixed } from '../crypto/length-prefixed.ts';
import type { KeyContext } from './key-manager.ts';
import { contextBytes } from './remote-wrapping.ts';

/** What a wrapped key is bound to beside its bytes. */
export interface AzureBinding {
  readonly keyRef: string;
  readonly keyVersion: string;
  readonly context: KeyContext;
}

/** Wrapped with RSA-OAEP-256 and signed with PS256. */
export const rsaFormat = 1;
/** Encrypted with A256GCM. */
export const gcmFormat = 2;
const digestLength = 32;
const ivLengthAt = 1;
const tagLength = 16;

/** The SHA-256 digest that is signed: format, key, version, RSA ciphertext and context, each with its length in front. */
export function signedDigest(ciphertext: Uint8Array, { keyRef, keyVersion, context }: AzureBinding): Buffer {
  return createHash('sha256').update(signedBytes(ciphertext, { keyRef, keyVersion, context })).digest();
}

function signedBytes(ciphertext: Uint8Array, { keyRef, keyVersion, context }: AzureBinding): Buffer {
  return lengthPrefixed(['tenancy.azure-kms', Buffer.of(rsaFormat), keyRef, keyVersion, ciphertext, contextBytes(context)]);
}

/** Whether the holder of the private key signed this ciphertext for this key, version and context. */
export function isSigned(publicKey: KeyObject, ciphertext: Buffer, signature: Buffer, binding: AzureBinding): boolean {
  const key = { key: publicKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: digestLength };
  return verify('sha256', signedBytes(ciphertext, binding), key, signature);
}

/** The data key and a digest of its context, encrypted here with RSA-OAEP-256: it need not travel to be wrapped. */
export function wrapWithPublicKey(publicKey: KeyObject, key: KeyObject, context: KeyContext): Buffer {
  const plaintext = key.export();
  const payload = Buffer.concat([plaintext, digestOf(context)]);
  try {
    return publicEncrypt({ key: publicKey, oaepHash: 'sha256', padding: constants.RSA_PKCS1_OAEP_PADDING }, payload);
  } finally {
    plaintext.fill(0);
    payload.fill(0);
  }
}

/** The data key in a payload that the vault unwrapped; undefined when it is one for another context, or none. */
export function dataKeyIn(payload: Uint8Array, context: KeyContext): Uint8Array | undefined {
  if (payload.byteLength !== dataKeyLength + digestLength) return undefined;
  if (!timingSafeEqual(payload.subarray(dataKeyLength), digestOf(context))) return undefined;
  return payload.subarray(0, dataKeyLength);
}

/** `0x01`, the RSA ciphertext, the signature; both are as long as the modulus. */
export function rsaWrapped(ciphertext: Uint8Array, signature: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(rsaFormat), ciphertext, signature]);
}

/** @returns undefined for what {@link rsaWrapped} did not make under a modulus of that many bytes */
export function rsaParts(wrapped: Buffer, modulusLength: number): { readonly ciphertext: Buffer; readonly signature: Buffer } | undefined {
  if (wrapped.byteLength !== 1 + 2 * modulusLength || wrapped[0] !== rsaFormat) return undefined;
  return { ciphertext: wrapped.subarray(1, 1 + modulusLength), signature: wrapped.subarray(1 + modulusLength) };
}

/** `0x02`, the length of the IV, the IV exactly as the HSM gave it, the tag, the ciphertext. */
export function gcmWrapped(iv: Uint8Array, tag: Uint8Array, ciphertext: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(gcmFormat, iv.byteLength), iv, tag, ciphertext]);
}

/** @returns undefined for what {@link gcmWrapped} did not make of a data key */
export function gcmParts(wrapped: Buffer): { readonly iv: Buffer; readonly tag: Buffer; readonly ciphertext: Buffer } | undefined {
  const ivLength = wrapped[ivLengthAt] ?? 0;
  const tagAt = ivLengthAt + 1 + ivLength;
  if (wrapped[0] !== gcmFormat || ivLength < 12 || ivLength > 16) return undefined;
  if (wrapped.byteLength !== tagAt + tagLength + dataKeyLength) return undefined;
  return {
    iv: wrapped.subarray(ivLengthAt + 1, tagAt),
    tag: wrapped.subarray(tagAt, tagAt + tagLength),
    ciphertext: wrapped.subarray(tagAt + tagLength),
  };
}

function digestOf(context: KeyContext): Buffer {
  return createHash('sha256').update(contextBytes(context)).digest();
}
