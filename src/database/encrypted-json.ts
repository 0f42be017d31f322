import { DecryptionError } from '../errors.ts';
import { EncryptedColumnBuilder } from './encrypted-column.ts';

/**
 * A column for JSON values that is stored encrypted under the tenant's own key; see {@link encryptedText} for what can be done with it.
 *
 * @param name the column's name in the database; the key in the table when left out
 * @throws {DecryptionError} when a row is read whose value was changed, moved, or encrypted under a key that is not this tenant's
 * @example
 * ```ts
 * tenantTable('customers', { address: encryptedJson<Address>('address') });
 * ```
 */
export function encryptedJson<T>(name = ''): EncryptedColumnBuilder<'', T> {
  return new EncryptedColumnBuilder<'', T>(name as '', {
    encode: (value) => {
      const text = JSON.stringify(value) as string | undefined;
      return text === undefined ? undefined : Buffer.from(text, 'utf8');
    },
    decode: (plaintext) => {
      try {
        return JSON.parse(plaintext.toString('utf8')) as T;
      } catch {
        // The parser's own message quotes the plaintext.
        throw new DecryptionError('An encrypted JSON value is not JSON.', {
          hint: 'It was written as another type: read it with the column type that wrote it.',
        });
      }
    },
  });
}
