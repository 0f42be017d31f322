import { EncryptedColumnBuilder, type EncryptedColumnOptions, namedOptions } from './encrypted-column.ts';

/**
 * A text column that is stored encrypted under the tenant's own key: `bytea`, 78 bytes longer than the text in UTF-8, XAES-256-GCM with
 * key commitment (docs/encryption.md, "The stored value"). It is read and written like any text column. The database sees ciphertext
 * only, so it can't be compared, searched, sorted, grouped or used in SQL expressions: such queries throw {@link EncryptedColumnError};
 * `isNull` and `isNotNull` work.
 *
 * @param name the column's name in the database; the key in the table when left out
 * @param options `pad: 32` hides the length up to the next multiple of 32 bytes
 * @throws {DecryptionError} when a row is read whose value was changed, moved, or encrypted under a key that is not this tenant's
 * @example
 * ```ts
 * tenantTable('products', { supplierIban: encryptedText('supplier_iban') });
 * ```
 */
export function encryptedText(options?: EncryptedColumnOptions): EncryptedColumnBuilder<'', string>;
export function encryptedText<TName extends string>(name: TName, options?: EncryptedColumnOptions): EncryptedColumnBuilder<TName, string>;
export function encryptedText(
  nameOrOptions: string | EncryptedColumnOptions = '',
  given?: EncryptedColumnOptions,
): EncryptedColumnBuilder<string, string> {
  const { name, options } = namedOptions(nameOrOptions, given);
  return new EncryptedColumnBuilder(
    name,
    {
      expects: 'text',
      encode: (value) => (typeof value === 'string' ? Buffer.from(value, 'utf8') : undefined),
      decode: (plaintext) => plaintext.toString('utf8'),
    },
    options,
  );
}
