import type { KeyObject } from 'node:crypto';
import { dataKeyFrom, dataKeyLength } from '../crypto/data-key.ts';
import { lengthPrefixed } from '../crypto/length-prefixed.ts';
import { KeyManagerError } from '../errors.ts';
import { keyFailure } from './key-failure.ts';
import type { KeyContext } from './key-manager.ts';
import { pkcs11Failure, returnValueOf } from './pkcs11-failure.ts';
import type { Handle, Mechanism } from './pkcs11-sdk.ts';
import type { Pkcs11Session } from './pkcs11-token.ts';

/** A KEK in a session, and what is bound to what it wraps. */
export interface Pkcs11Wrapping {
  readonly session: Pkcs11Session;
  readonly kek: Handle;
  readonly keyRef: string;
  readonly context: KeyContext;
}

const format = 1;
const ivAt = 1;
const ivLength = 12;
const ciphertextAt = ivAt + ivLength;
const tagLength = 16;
const wrappedLength = ciphertextAt + dataKeyLength + tagLength;

/** How tokens say that a GCM tag is wrong: the standard's words. */
const wrongBytes: ReadonlySet<string> = new Set(['CKR_ENCRYPTED_DATA_INVALID', 'CKR_ENCRYPTED_DATA_LEN_RANGE', 'CKR_AEAD_DECRYPT_FAILED']);
/** Words that mean it too in some tokens (SoftHSM), and that the token is out of order in others. */
const perhapsWrongBytes: ReadonlySet<string> = new Set([
  'CKR_GENERAL_ERROR',
  'CKR_FUNCTION_FAILED',
  'CKR_DATA_INVALID',
  'CKR_VENDOR_DEFINED',
]);

/** Wraps a data key: format (1), nonce (12, from the token), ciphertext (32), tag (16). */
export function wrapInToken({ session, kek, keyRef, context }: Pkcs11Wrapping, key: KeyObject): Buffer {
  const iv = session.library.C_GenerateRandom(session.handle, Buffer.alloc(ivLength));
  const plaintext = key.export();
  try {
    return Buffer.concat([Buffer.of(format), iv, encrypt(session, kek, gcm(session, iv, aadOf(keyRef, context)), plaintext)]);
  } finally {
    plaintext.fill(0);
  }
}

/** Opens what {@link wrapInToken} made. @throws {KeyManagerError} `invalidCiphertext` for another key or context, or changed bytes */
export function unwrapInToken({ session, kek, keyRef, context }: Pkcs11Wrapping, bytes: Buffer, provider: string): KeyObject {
  if (bytes.byteLength !== wrappedLength || bytes[0] !== format)
    throw keyFailure('invalidCiphertext', keyRef, 'did not wrap these bytes', context);
  const mechanism = gcm(session, bytes.subarray(ivAt, ciphertextAt), aadOf(keyRef, context));
  const { library, handle } = session;
  library.C_DecryptInit(handle, mechanism, kek);
  // Longer than the plaintext: some tokens want room for the tag too.
  const room = Buffer.alloc(wrappedLength);
  try {
    const plaintext = library.C_Decrypt(handle, bytes.subarray(ciphertextAt), room);
    if (plaintext.byteLength !== dataKeyLength) throw keyFailure('invalidCiphertext', keyRef, 'wrapped no key with these bytes', context);
    return dataKeyFrom(plaintext);
  } catch (error) {
    const value = returnValueOf(error) ?? '';
    if (!wrongBytes.has(value) && !perhapsWrongBytes.has(value)) throw error;
    // A token that still opens what it seals refused these bytes; any other is out of order, which says nothing about them.
    if (!wrongBytes.has(value) && !worksWith(session, kek)) throw pkcs11Failure('unwrap', provider, value);
    throw keyFailure(
      'invalidCiphertext',
      keyRef,
      'did not wrap these bytes, or for another tenant or purpose, or they were changed',
      context,
    );
  } finally {
    room.fill(0);
  }
}

function gcm({ sdk }: Pkcs11Session, iv: Buffer, aad: Buffer): Mechanism {
  const parameter = { type: sdk.CK_PARAMS_AES_GCM_v240, iv, ivBits: ivLength * 8, aad, tagBits: tagLength * 8 };
  return { mechanism: sdk.CKM_AES_GCM, parameter };
}

function encrypt({ library, handle }: Pkcs11Session, kek: Handle, mechanism: Mechanism, plaintext: Buffer): Buffer {
  library.C_EncryptInit(handle, mechanism, kek);
  const sealed = library.C_Encrypt(handle, plaintext, Buffer.alloc(plaintext.byteLength + tagLength));
  if (sealed.byteLength !== plaintext.byteLength + tagLength) {
    throw new KeyManagerError(`A token gave ${sealed.byteLength} bytes for ${plaintext.byteLength} with CKM_AES_GCM.`, {
      reason: 'unavailable',
      retryable: false,
      hint: 'Use a token whose CKM_AES_GCM takes a nonce of 12 bytes and appends a tag of 16.',
    });
  }
  return sealed;
}

/** Whether the token opens what it seals with that key. */
function worksWith(session: Pkcs11Session, kek: Handle): boolean {
  const { library, handle } = session;
  try {
    const iv = library.C_GenerateRandom(handle, Buffer.alloc(ivLength));
    const probe = Buffer.from('tenancy.probe');
    const mechanism = gcm(session, iv, Buffer.from('tenancy.pkcs11.probe'));
    const sealed = encrypt(session, kek, mechanism, probe);
    library.C_DecryptInit(handle, mechanism, kek);
    return library.C_Decrypt(handle, sealed, Buffer.alloc(wrappedLength)).equals(probe);
  } catch (error) {
    if (returnValueOf(error) === undefined) throw error;
    return false;
  }
}

function aadOf(keyRef: string, context: KeyContext): Buffer {
  return lengthPrefixed(['tenancy.pkcs11', Buffer.of(format), keyRef, context.tenantId, context.purpose]);
}
