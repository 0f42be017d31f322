import { type KeyObject, randomBytes } from 'node:crypto';
import { lengthPrefixed } from '../crypto/length-prefixed.ts';
import { Xaes256Gcm } from '../crypto/xaes-256-gcm.ts';
import { DecryptionError, KeyManagerError } from '../errors.ts';
import type { KeyContext, KeyManager, KeyManagerCall, WrappedKey } from '../kms/key-manager.ts';
import type { KeyManagers } from '../kms/key-managers.ts';

/** What a sealed secret is bound to. The subject is authenticated here and never sent to the key manager, whose logs keep contexts. */
export interface SecretContext extends KeyContext {
  /** Which of the secrets of this purpose it is, such as cluster, database and login. */
  readonly subject?: readonly string[] | undefined;
}

const format = 0xe2;
const fixedLength = Xaes256Gcm.nonceLength + Xaes256Gcm.commitmentLength + Xaes256Gcm.tagLength;

/**
 * Seals a short secret, such as a password, in an envelope: encrypted with a key of its own, which the key manager wraps. Self-describing:
 *
 * | bytes | field |
 * |---|---|
 * | 1 | format: `0xe2`, which means this table |
 * | 4 + n | provider: length (u32 big-endian), UTF-8 |
 * | 4 + n | name of the KEK, likewise |
 * | 4 + n | version of the KEK, likewise; empty when the provider has none |
 * | 4 + n | wrapped key, likewise |
 * | 24 | nonce, random |
 * | 32 | key commitment |
 * | n | ciphertext, as long as the secret in UTF-8 |
 * | 16 | tag |
 *
 * The AAD is {@link lengthPrefixed} of `tenancy.secret`, all bytes before the nonce, tenant id, purpose and every part of the subject.
 *
 * @throws {KeyManagerError} when the key manager can't make or wrap the key
 * @example
 * ```ts
 * const sealed = await sealSecret(manager, keyRef, { ...credentialContext, subject: ['eu-1', 'tenancy_shared', 'tenancy_app'] }, password);
 * ```
 */
export async function sealSecret(
  manager: KeyManager,
  keyRef: string,
  context: SecretContext,
  plaintext: string,
  call?: KeyManagerCall,
): Promise<Buffer> {
  const { key, wrapped } = await manager.generateDataKey(keyRef, keyContextOf(context), call);
  const header = Buffer.concat([
    Buffer.of(format),
    lengthPrefixed([wrapped.provider, wrapped.keyRef, wrapped.keyVersion ?? '', wrapped.ciphertext]),
  ]);
  const nonce = randomBytes(Xaes256Gcm.nonceLength);
  const bytes = Buffer.from(plaintext, 'utf8');
  const { commitment, ciphertext, tag } = Xaes256Gcm.for(key).seal(nonce, bytes, aadOf(header, context));
  bytes.fill(0);
  return Buffer.concat([header, nonce, commitment, ciphertext, tag]);
}

/**
 * Opens what {@link sealSecret} made, with the key manager that the bytes name.
 *
 * @throws {DecryptionError} for every reason that lies in the bytes or the context alike
 * @throws {KeyManagerError} when the key manager is away, or refuses the key itself (`denied`, `disabled`, `pendingDeletion`, `notFound`)
 * @throws {ConfigurationError} when the bytes name a provider of which no key manager was given
 * @example
 * ```ts
 * const password = await openSecret(managers, sealed, { ...credentialContext, subject: ['eu-1', 'tenancy_shared', 'tenancy_app'] });
 * ```
 */
export async function openSecret(managers: KeyManagers, sealed: Buffer, context: SecretContext, call?: KeyManagerCall): Promise<string> {
  const { wrapped, header, body } = envelopeOf(sealed) ?? refuse(context);
  let key: KeyObject;
  try {
    key = await managers.for(wrapped.provider).unwrap(wrapped, keyContextOf(context), call);
  } catch (error) {
    if (error instanceof KeyManagerError && (error.reason === 'invalidCiphertext' || error.reason === 'wrongKey')) refuse(context);
    throw error;
  }
  const ciphertextAt = Xaes256Gcm.nonceLength + Xaes256Gcm.commitmentLength;
  const tagAt = body.byteLength - Xaes256Gcm.tagLength;
  const parts = {
    commitment: body.subarray(Xaes256Gcm.nonceLength, ciphertextAt),
    ciphertext: body.subarray(ciphertextAt, tagAt),
    tag: body.subarray(tagAt),
  };
  const opened = Xaes256Gcm.for(key).open(body.subarray(0, Xaes256Gcm.nonceLength), parts, aadOf(header, context)) ?? refuse(context);
  const plaintext = opened.toString('utf8');
  opened.fill(0);
  return plaintext;
}

function envelopeOf(sealed: Buffer): { readonly wrapped: WrappedKey; readonly header: Buffer; readonly body: Buffer } | undefined {
  if (sealed[0] !== format) return undefined;
  const fields: Buffer[] = [];
  let at = 1;
  while (fields.length < 4) {
    if (at + 4 > sealed.byteLength) return undefined;
    const end = at + 4 + sealed.readUInt32BE(at);
    if (end > sealed.byteLength) return undefined;
    fields.push(sealed.subarray(at + 4, end));
    at = end;
  }
  if (sealed.byteLength - at < fixedLength) return undefined;
  const [provider, keyRef, keyVersion, ciphertext] = fields as [Buffer, Buffer, Buffer, Buffer];
  const wrapped = {
    provider: provider.toString(),
    keyRef: keyRef.toString(),
    ciphertext,
    ...(keyVersion.byteLength === 0 ? {} : { keyVersion: keyVersion.toString() }),
  };
  return { wrapped, header: sealed.subarray(0, at), body: sealed.subarray(at) };
}

/** Only these two fields: a key manager may log every field it is given. */
function keyContextOf({ tenantId, purpose }: SecretContext): KeyContext {
  return { tenantId, purpose };
}

function aadOf(header: Buffer, context: SecretContext): Buffer {
  return lengthPrefixed(['tenancy.secret', header, context.tenantId, context.purpose, ...(context.subject ?? [])]);
}

function refuse(context: SecretContext): never {
  throw new DecryptionError(`A sealed ${context.purpose} of ${context.tenantId} can't be opened.`, {
    tenantId: context.tenantId,
    hint: 'It was sealed for another purpose or place, or changed.',
  });
}
