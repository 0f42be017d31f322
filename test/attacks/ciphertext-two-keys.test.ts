import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { decryptValue } from '../../src/crypto/column-codec.ts';
import { newDataKey } from '../../src/crypto/data-key.ts';
import { lengthPrefixed } from '../../src/crypto/length-prefixed.ts';
import { LocalTenantKeys } from '../../src/crypto/local-tenant-keys.ts';
import { Xaes256Gcm } from '../../src/crypto/xaes-256-gcm.ts';
import { DecryptionError } from '../../src/errors.ts';

// GCM's tag is linear in the ciphertext, so whoever knows two keys can solve for a block that makes one ciphertext valid under both:
// two tenants read different values from the same bytes, each with a valid tag.
const place = { table: 'products', column: 'supplier_iban' };
const tenants = ['tenant-100', 'tenant-200'] as const;
const dataKeys = [newDataKey(), newDataKey()] as const;
const keys = tenants.map(
  (tenantId, i) => new LocalTenantKeys({ tenantId, currentVersion: 1, dataKeys: new Map([[1, dataKeys[i]!]]), indexSecret: newDataKey() }),
);
const header = Buffer.from('e10000000001', 'hex');
const aads = tenants.map((tenantId) =>
  lengthPrefixed(['tenancy.column', header.subarray(0, 2), tenantId, place.table, place.column, header.subarray(2)]),
);
const nonce = randomBytes(24);
const messageKeys = dataKeys.map(derived);
const wanted = Buffer.from('DE89370400440532');
const { ciphertext, tag } = collision();

it('positive control: without the commitment one ciphertext opens for both tenants, with a full tag, AAD and all', () => {
  const opened = messageKeys.map((key, i) => openWithoutCommitment(key, aads[i]!));
  expect(opened[0]!.subarray(0, 16)).toEqual(wanted);
  expect(opened[1]!.equals(opened[0]!)).toBe(false);
});

it('with its commitment it opens for one of them at most', () => {
  for (const chosen of [0, 1]) {
    // The commitment depends on key and nonce alone, so any message sealed with this nonce shows it.
    const { commitment } = Xaes256Gcm.for(dataKeys[chosen]!).seal(nonce, Buffer.alloc(0), Buffer.alloc(0));
    const bytes = Buffer.concat([header, nonce, commitment, ciphertext, tag]);
    expect(decryptValue(keys[chosen]!, place, bytes)).toHaveLength(32);
    expect(() => decryptValue(keys[1 - chosen]!, place, bytes)).toThrow(DecryptionError);
  }
});

it('the commitment alone refuses a wrong key, where the tag is valid under it', () => {
  const made = Xaes256Gcm.for(dataKeys[0]).seal(nonce, Buffer.alloc(0), Buffer.alloc(0));
  expect(Xaes256Gcm.for(dataKeys[1]).open(nonce, { commitment: made.commitment, ciphertext, tag }, aads[1]!)).toBeUndefined();
  const own = Xaes256Gcm.for(dataKeys[1]).seal(nonce, Buffer.alloc(0), Buffer.alloc(0));
  expect(Xaes256Gcm.for(dataKeys[1]).open(nonce, { commitment: own.commitment, ciphertext, tag }, aads[1]!)).toHaveLength(32);
});

function openWithoutCommitment(messageKey: Buffer, aad: Buffer): Buffer {
  const gcm = createDecipheriv('aes-256-gcm', messageKey, nonce.subarray(12), { authTagLength: 16 });
  gcm.setAAD(aad).setAuthTag(tag);
  return Buffer.concat([gcm.update(ciphertext), gcm.final()]);
}

/** Two blocks: the first decrypts to what the attacker wants under the first key, the second makes both tags equal. */
function collision(): { readonly ciphertext: Buffer; readonly tag: Buffer } {
  const counter = (n: number): Buffer => Buffer.concat([nonce.subarray(12), Buffer.of(0, 0, 0, n)]);
  const first = Buffer.from(wanted.map((byte, i) => byte ^ aes(messageKeys[0]!, counter(2))[i]!));
  const sides = messageKeys.map((key, i) => {
    const h = toInt(aes(key, Buffer.alloc(16)));
    const lengths = Buffer.alloc(16);
    lengths.writeUInt32BE(aads[i]!.byteLength * 8, 4);
    lengths.writeUInt32BE(32 * 8, 12);
    const blocks = [...blocksOf(aads[i]!), first, Buffer.alloc(16), lengths];
    const sum = blocks.reduce((total, block) => multiply(total ^ toInt(block), h), 0n);
    return { rest: sum ^ toInt(aes(key, counter(1))), factor: multiply(h, h) };
  });
  const [a, b] = [sides[0]!, sides[1]!];
  const second = multiply(a.rest ^ b.rest, inverse(a.factor ^ b.factor));
  return { ciphertext: Buffer.concat([first, toBlock(second)]), tag: toBlock(a.rest ^ multiply(second, a.factor)) };
}

/** XAES's message key, derived here once more from its specification. */
function derived(key: KeyObject): Buffer {
  const l = toInt(aes(key, Buffer.alloc(16)));
  const k1 = toBlock(((l << 1n) & ((1n << 128n) - 1n)) ^ (l >> 127n === 1n ? 0x87n : 0n));
  const block = (i: number): Buffer =>
    Buffer.from(Buffer.concat([Buffer.of(0, i, 0x58, 0), nonce.subarray(0, 12)]).map((byte, at) => byte ^ k1[at]!));
  return Buffer.concat([aes(key, block(1)), aes(key, block(2))]);
}

function aes(key: KeyObject | Buffer, block: Buffer): Buffer {
  return createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(block);
}

function blocksOf(bytes: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.byteLength / 16) }, (_, i) =>
    Buffer.concat([bytes.subarray(i * 16, i * 16 + 16), Buffer.alloc(16)]).subarray(0, 16),
  );
}

function toInt(block: Buffer): bigint {
  return BigInt(`0x${block.toString('hex')}`);
}

function toBlock(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(32, '0'), 'hex');
}

/** Multiplication in GF(2¹²⁸) as GCM has it, bits reflected. */
function multiply(x: bigint, y: bigint): bigint {
  let [product, shifted] = [0n, y];
  for (let bit = 127n; bit >= 0n; bit--) {
    if ((x >> bit) & 1n) product ^= shifted;
    shifted = shifted & 1n ? (shifted >> 1n) ^ (0xe1n << 120n) : shifted >> 1n;
  }
  return product;
}

/** x to the power of 2¹²⁸ − 2. */
function inverse(x: bigint): bigint {
  let [result, square] = [1n << 127n, x];
  for (let i = 1; i < 128; i++) {
    square = multiply(square, square);
    result = multiply(result, square);
  }
  return result;
}
