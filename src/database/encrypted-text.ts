import { normalisers } from '../crypto/normaliser.ts';
import { EncryptedColumnBuilder, type IndexedColumnOptions, namedOptions } from './encrypted-column.ts';
import { textBytesSql } from './plaintext-format.ts';

/**
 * A text column that is stored encrypted under the tenant's own key: `bytea`, 78 bytes longer than the text in UTF-8, XAES-256-GCM with
 * key commitment (docs/encryption.md, "The stored value"). It is read and written like any text column. The database sees ciphertext
 * only, so it can't be sorted, grouped or used in SQL expressions, and compared for equality only with a {@link blindIndex}: other queries
 * throw {@link EncryptedColumnError}. `isNull` and `isNotNull` work.
 *
 * @param name the column's name in the database; the key in the table when left out
 * @param options `pad: 32` hides the length up to the next multiple of 32 bytes; `index: blindIndex(…)` lets `eq` and `inArray` find it;
 *   `boundTo: 'id'` binds each value to its row (docs/encryption.md, "Bound to the row")
 * @throws {DecryptionError} when a row is read whose value was changed, moved, or encrypted under a key that is not this tenant's
 * @example
 * ```ts
 * tenantTable('products', { supplierIban: encryptedText('supplier_iban') });
 * ```
 */
export function encryptedText(options?: IndexedColumnOptions): EncryptedColumnBuilder<'', string>;
export function encryptedText<TName extends string>(name: TName, options?: IndexedColumnOptions): EncryptedColumnBuilder<TName, string>;
export function encryptedText(
  nameOrOptions: string | IndexedColumnOptions = '',
  given?: IndexedColumnOptions,
): EncryptedColumnBuilder<string, string> {
  const { name, options } = namedOptions(nameOrOptions, given);
  return new EncryptedColumnBuilder(
    name,
    {
      expects: 'text',
      encode: (value) => (typeof value === 'string' ? Buffer.from(value, 'utf8') : undefined),
      decode: (plaintext) => plaintext.toString('utf8'),
      plain: { type: 'text', toDriver: (value) => value, bytesSql: textBytesSql },
      indexed: (value, normalise) => (typeof value === 'string' ? Buffer.from(normalisers[normalise](value), 'utf8') : undefined),
    },
    options,
  );
}
