import { EncryptedColumnBuilder } from './encrypted-column.ts';

/**
 * A column for bytes that is stored encrypted under the tenant's own key; see {@link encryptedText} for what can be done with it.
 *
 * @param name the column's name in the database; the key in the table when left out
 * @throws {DecryptionError} when a row is read whose value was changed, moved, or encrypted under a key that is not this tenant's
 * @example
 * ```ts
 * tenantTable('documents', { content: encryptedBytes('content') });
 * ```
 */
export function encryptedBytes(): EncryptedColumnBuilder<'', Buffer>;
export function encryptedBytes<TName extends string>(name: TName): EncryptedColumnBuilder<TName, Buffer>;
export function encryptedBytes(name = ''): EncryptedColumnBuilder<string, Buffer> {
  return new EncryptedColumnBuilder(name, {
    encode: (value) => (value instanceof Uint8Array ? Buffer.from(value) : undefined),
    decode: (plaintext) => plaintext,
  });
}
