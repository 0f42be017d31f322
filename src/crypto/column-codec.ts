import { DecryptionError, EncryptedColumnError } from '../errors.ts';
import { lengthPrefixed } from './length-prefixed.ts';
import { padded, unpadded } from './padding.ts';
import { fillNonce } from './random-nonce.ts';
import type { TenantKeys } from './tenant-keys.ts';
import { Xaes256Gcm } from './xaes-256-gcm.ts';

/** Where an encrypted value belongs. A ciphertext opens in the place that it was made for and in no other. */
export interface ColumnPlace {
  /** The table's name without its schema, so that a tenant can be moved. */
  readonly table: string;
  /** The column's name in the database. */
  readonly column: string;
  /** The row's stable id, for columns that are bound to their row; without it values can be swapped between rows of one tenant. */
  readonly rowId?: string | undefined;
}

const format = 0xe1;
const rowBound = 0x01;
const paddedFlag = 0x02;
const versionAt = 2;
const nonceAt = 6;
const commitmentAt = nonceAt + Xaes256Gcm.nonceLength;
const ciphertextAt = commitmentAt + Xaes256Gcm.commitmentLength;

/** How many bytes an encrypted value is longer than its plaintext, padding included: 78. */
export const columnOverhead = ciphertextAt + Xaes256Gcm.tagLength;

const loneSurrogate = /\p{Surrogate}/u;

/**
 * Encrypts one value for one place with the tenant's current data key. Rows written today are read for years; this is their layout:
 *
 * | offset | bytes | field |
 * |---|---|---|
 * | 0 | 1 | format: `0xe1`, which means this table |
 * | 1 | 1 | flags: bit 0 is set when the value is bound to its row, bit 1 when it is padded; the others are 0 |
 * | 2 | 4 | data key version, u32 big-endian, from 1 |
 * | 6 | 24 | nonce, random |
 * | 30 | 32 | key commitment |
 * | 62 | n | ciphertext, as long as the plaintext |
 * | 62 + n | 16 | tag |
 *
 * Encryption and commitment are KC-XAES-256-GCM ({@link Xaes256Gcm}). The AAD is {@link lengthPrefixed} of `tenancy.column`, the format
 * and flag bytes, tenant id, table, column, key version (u32) and, when bound, row id. A padded plaintext is the value, `0x80` and zeros up
 * to a multiple (ISO/IEC 7816-4).
 *
 * @param padTo the multiple, in bytes, that the plaintext's length is rounded up to; without it the length shows
 * @throws {EncryptedColumnError} when the tenant has no data key of its current version, or the row id is empty or not well-formed Unicode
 * @example
 * ```ts
 * const bytes = encryptValue(keys, { table: 'products', column: 'supplier_iban' }, Buffer.from('DE89 …'));
 * ```
 */
export function encryptValue(keys: TenantKeys, place: ColumnPlace, plaintext: Buffer, padTo?: number): Buffer {
  return seal(keys, place, padTo === undefined ? plaintext : padded(plaintext, padTo), padTo === undefined ? 0 : paddedFlag);
}

function seal(keys: TenantKeys, place: ColumnPlace, plaintext: Buffer, flags: number): Buffer {
  const version = keys.currentVersion;
  const key = keys.dataKey(version);
  if (key === undefined) {
    throw new EncryptedColumnError(
      `${place.table}.${place.column} can't be encrypted: tenant ${keys.tenantId} has no data key of version ${version}.`,
      {
        tenantId: keys.tenantId,
        hint: 'Check the tenant’s data keys in the catalog.',
      },
    );
  }
  if (place.rowId !== undefined && !isRowId(place.rowId)) {
    throw new EncryptedColumnError(
      `${place.table}.${place.column} of tenant ${keys.tenantId} is bound to its row, and the row’s id is empty or not well-formed text.`,
      {
        tenantId: keys.tenantId,
        hint: 'Give the row an id before it is inserted.',
      },
    );
  }
  const bytes = Buffer.allocUnsafe(columnOverhead + plaintext.byteLength);
  bytes[0] = format;
  bytes[1] = flags | (place.rowId === undefined ? 0 : rowBound);
  bytes.writeUInt32BE(version, versionAt);
  const nonce = bytes.subarray(nonceAt, commitmentAt);
  fillNonce(nonce);
  const { commitment, ciphertext, tag } = Xaes256Gcm.for(key).seal(nonce, plaintext, aadOf(keys.tenantId, place, bytes, version));
  bytes.set(commitment, commitmentAt);
  bytes.set(ciphertext, ciphertextAt);
  bytes.set(tag, ciphertextAt + plaintext.byteLength);
  return bytes;
}

/**
 * Opens what {@link encryptValue} made, in the same place and with the same tenant's keys.
 *
 * @throws {DecryptionError} for every failure alike: another tenant, table, column, row or key, other bytes, bytes that are no ciphertext
 * @example
 * ```ts
 * const iban = decryptValue(keys, { table: 'products', column: 'supplier_iban' }, bytes).toString('utf8');
 * ```
 */
export function decryptValue(keys: TenantKeys, place: ColumnPlace, ciphertext: Buffer): Buffer {
  return withoutPadding(open(keys, place, ciphertext), ciphertext) ?? refuse(keys.tenantId, place);
}

function withoutPadding(plaintext: Buffer | undefined, ciphertext: Buffer): Buffer | undefined {
  return plaintext === undefined || (ciphertext[1]! & paddedFlag) === 0 ? plaintext : unpadded(plaintext);
}

/**
 * Encrypts a stored value anew with the current data key, its padding as it was: what a rotation that rewrites rows does.
 *
 * @throws {DecryptionError} as {@link decryptValue} @throws {EncryptedColumnError} as {@link encryptValue}
 */
export function reencryptValue(keys: TenantKeys, place: ColumnPlace, ciphertext: Buffer): Buffer {
  const plaintext = open(keys, place, ciphertext) ?? refuse(keys.tenantId, place);
  return seal(keys, place, plaintext, ciphertext[1]! & paddedFlag);
}

/**
 * The data key version that a value was encrypted with: what a rotation that rewrites rows asks.
 *
 * @throws {DecryptionError} when these bytes are not an encrypted value
 */
export function keyVersionOf(ciphertext: Buffer): number {
  if (!isWellFormed(ciphertext)) throw new DecryptionError('These bytes are not an encrypted value.');
  return ciphertext.readUInt32BE(versionAt);
}

/** Whether a stored value says that it is bound to its row; it must be an encrypted value. */
export function isRowBound(ciphertext: Buffer): boolean {
  return (ciphertext[1]! & rowBound) !== 0;
}

function open(keys: TenantKeys, place: ColumnPlace, bytes: Buffer): Buffer | undefined {
  if (!isWellFormed(bytes)) return undefined;
  if (place.rowId !== undefined && !isRowId(place.rowId)) return undefined;
  const version = bytes.readUInt32BE(versionAt);
  const key = keys.dataKey(version);
  if (key === undefined) return undefined;
  return Xaes256Gcm.for(key).openMessage(bytes, nonceAt, aadOf(keys.tenantId, place, bytes, version));
}

/** Lone surrogates all become U+FFFD in UTF-8, so that two such ids would be one. */
function isRowId(rowId: string): boolean {
  return rowId !== '' && !loneSurrogate.test(rowId);
}

function isWellFormed(bytes: Buffer): boolean {
  return bytes.byteLength >= columnOverhead && bytes[0] === format && (bytes[1]! & ~(rowBound | paddedFlag)) === 0;
}

/** What a place's last value was authenticated with. */
interface PlaceAad {
  readonly tenantId: string;
  readonly table: string;
  readonly column: string;
  readonly flags: number;
  readonly version: number;
  readonly aad: Buffer;
}

/** The values of a column that are encrypted or opened in a row are mostly one tenant's: they share it. */
const lastAads = new WeakMap<ColumnPlace, PlaceAad>();

/** The flags come from the bytes and the row id from the place: a value of an unbound column opens in no bound one, nor the other way round. */
function aadOf(tenantId: string, place: ColumnPlace, header: Buffer, version: number): Buffer {
  const { table, column, rowId } = place;
  const flags = header[1]!;
  const last = rowId === undefined ? lastAads.get(place) : undefined;
  const same = last?.tenantId === tenantId && last.table === table && last.column === column;
  if (same && last.flags === flags && last.version === version) return last.aad;
  const fields = ['tenancy.column', header.subarray(0, versionAt), tenantId, table, column, header.subarray(versionAt, nonceAt)];
  if (rowId !== undefined) return lengthPrefixed([...fields, rowId]);
  const aad = lengthPrefixed(fields);
  lastAads.set(place, { tenantId, table, column, flags, version, aad });
  return aad;
}

function refuse(tenantId: string, place: ColumnPlace): never {
  throw new DecryptionError(`A value of ${place.table}.${place.column} can't be decrypted for tenant ${tenantId}.`, {
    tenantId,
    hint: 'It was made for another place, changed, or its key is gone.',
  });
}
