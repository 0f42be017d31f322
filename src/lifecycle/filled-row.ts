import { blindTag } from '../crypto/blind-tag.ts';
import { decryptValue, encryptValue } from '../crypto/column-codec.ts';
import type { TenantKeys } from '../crypto/tenant-keys.ts';
import type { BlindIndexValue } from '../database/deferred.ts';
import { DecryptionError } from '../errors.ts';
import type { LeftReason } from './column-reports.ts';
import type { ColumnSite } from './column-site.ts';
import type { FilledRow, WantingRow } from './site-rows.ts';

/** What a row is to get, encrypted as a service would write it; or why it can't be filled. */
export function filledRow(keys: TenantKeys, site: ColumnSite, row: WantingRow): FilledRow | LeftReason {
  const { key, version, rowId, plaintext, stored } = row;
  const { column } = site;
  const place = column.place(rowId ?? undefined);
  if (plaintext === null && stored === null) return 'unconvertible';
  const bytes = plaintext ?? ifReadable(() => decryptValue(keys, place, stored!));
  // What a service could not read back is better left in plaintext.
  const value = bytes && ifReadable(() => ({ value: column.format.decode(bytes) }));
  if (bytes === undefined || value === undefined) return plaintext === null ? 'unreadable' : 'unconvertible';
  return {
    key,
    version,
    ciphertext: plaintext === null ? undefined : encryptValue(keys, place, plaintext, column.padTo),
    tag: column.index && tagOf(keys, column.index.mapToDriverValue(value.value)),
  };
}

function tagOf(keys: TenantKeys, { definition, plaintext }: BlindIndexValue): Buffer {
  return blindTag(keys, definition, plaintext);
}

function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecryptionError) return undefined;
    throw error;
  }
}
