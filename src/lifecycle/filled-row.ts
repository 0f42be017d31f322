import { blindTag } from '../crypto/blind-tag.ts';
import { decryptValue, encryptValue } from '../crypto/column-codec.ts';
import type { TenantKeys } from '../crypto/tenant-keys.ts';
import type { LeftReason } from './column-reports.ts';
import type { ColumnSite } from './column-site.ts';
import { ifReadable } from './if-readable.ts';
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
  const tag = column.index?.mapToDriverValue(value.value);
  return {
    key,
    version,
    ciphertext: plaintext === null ? undefined : encryptValue(keys, place, plaintext, column.padTo),
    tag: tag && blindTag(keys, tag.definition, tag.plaintext),
  };
}
