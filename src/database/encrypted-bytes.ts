import { EncryptedColumnBuilder, type IndexedColumnOptions, namedOptions } from './encrypted-column.ts';

/**
 * A column for bytes that is stored encrypted under the tenant's own key; see {@link encryptedText} for what can be done with it.
 *
 * @param name the column's name in the database; the key in the table when left out
 * @param options `pad: 1024` hides the length up to the next multiple of 1,024 bytes; `boundTo: 'id'` binds each value to its row
 * @throws {DecryptionError} when a row is read whose value was changed, moved, or encrypted under a key that is not this tenant's
 * @example
 * ```ts
 * tenantTable('documents', { content: encryptedBytes('content') });
 * ```
 */
export function encryptedBytes(options?: IndexedColumnOptions): EncryptedColumnBuilder<'', Buffer>;
export function encryptedBytes<TName extends string>(name: TName, options?: IndexedColumnOptions): EncryptedColumnBuilder<TName, Buffer>;
export function encryptedBytes(
  nameOrOptions: string | IndexedColumnOptions = '',
  given?: IndexedColumnOptions,
): EncryptedColumnBuilder<string, Buffer> {
  const { name, options } = namedOptions(nameOrOptions, given);
  return new EncryptedColumnBuilder(
    name,
    {
      expects: 'bytes',
      encode: (value) => (value instanceof Uint8Array ? Buffer.from(value) : undefined),
      decode: (plaintext) => plaintext,
      plain: { type: 'bytea', toDriver: (value) => value, bytesSql: (expression) => `(${expression})` },
      indexed: (value) => (value instanceof Uint8Array ? Buffer.from(value) : undefined),
    },
    options,
  );
}
