import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { lengthPrefixed } from '../crypto/length-prefixed.ts';

/** What begins a PKCS #8 Ed25519 private key; 32 bytes of seed follow (RFC 8410). */
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');
/** What begins an Ed25519 public key as SPKI; 32 bytes follow. */
const spki = Buffer.from('302a300506032b6570032100', 'hex');

/** The Ed25519 key pair of a 32-byte seed; the seed stays with its owner. */
export function signingKeyOf(seed: KeyObject): { readonly privateKey: KeyObject; readonly publicKey: Buffer } {
  const bytes = seed.export();
  const der = Buffer.concat([pkcs8, bytes]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  bytes.fill(0);
  der.fill(0);
  const publicKey = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(spki.byteLength);
  return { privateKey, publicKey };
}

/** Signs a document: Ed25519 over {@link lengthPrefixed} of `tenancy.certificate` and its canonical JSON. @returns base64 */
export function signDocument(privateKey: KeyObject, document: object): string {
  return sign(null, signed(document), privateKey).toString('base64');
}

/** Whether a signature is the document's. */
export function documentIsSigned(publicKey: Buffer, document: object, signature: string): boolean {
  if (publicKey.byteLength !== 32) return false;
  const key = createPublicKey({ key: Buffer.concat([spki, publicKey]), format: 'der', type: 'spki' });
  return verify(null, signed(document), key, Buffer.from(signature, 'base64'));
}

function signed(document: object): Buffer {
  return lengthPrefixed(['tenancy.certificate', JSON.stringify(sorted(document))]);
}

/** Keys in one order, whatever wrote or read the JSON in between. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
