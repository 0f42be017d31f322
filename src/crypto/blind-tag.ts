import { createHmac } from 'node:crypto';
import { lengthPrefixed } from './length-prefixed.ts';
import type { Normaliser } from './normaliser.ts';
import type { TenantKeys } from './tenant-keys.ts';

/** The bits of a tag that is not truncated. */
export const wholeTag = 256;

/** What a blind index is: tags of two definitions have nothing to do with each other. */
export interface TagDefinition {
  /** The table whose own index it is; empty where columns share one, which no table's name can be. */
  readonly table: string;
  /** The column whose own index it is, or the name that columns share. */
  readonly column: string;
  readonly normalise: Normaliser;
  /** The tag's width; {@link wholeTag} unless it is truncated. */
  readonly bits: number;
}

/**
 * The tag that stands for a value in a blind index: HMAC-SHA-256, under the index key of the definition's table and column, of
 * {@link lengthPrefixed} `tenancy.blind-index.tag`, the normaliser and the width (u32), then the normalised value. So another normaliser or
 * width gives other tags. A truncated one keeps its first bits; the rest of its last byte is 0.
 *
 * @param value the value's bytes, normalised
 * @example
 * ```ts
 * const tag = blindTag(keys, { table: 'products', column: 'supplier_iban', normalise: 'exact', bits: wholeTag }, Buffer.from('DE89'));
 * ```
 */
export function blindTag(keys: TenantKeys, { table, column, normalise, bits }: TagDefinition, value: Buffer): Buffer {
  const width = Buffer.allocUnsafe(4);
  width.writeUInt32BE(bits);
  const tag = createHmac('sha256', keys.indexKey(table, column))
    .update(lengthPrefixed(['tenancy.blind-index.tag', normalise, width]))
    .update(value)
    .digest();
  if (bits === wholeTag) return tag;
  const truncated = Buffer.from(tag.subarray(0, Math.ceil(bits / 8)));
  const spare = truncated.byteLength * 8 - bits;
  truncated[truncated.byteLength - 1]! &= 0xff << spare;
  return truncated;
}
