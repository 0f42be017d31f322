import { DecryptionError } from '../errors.ts';
import { EncryptedColumnBuilder, type EncryptedColumnOptions, namedOptions } from './encrypted-column.ts';
import { formatFailure, textBytesSql } from './plaintext-format.ts';

/**
 * A column for JSON values that is stored encrypted under the tenant's own key; see {@link encryptedText} for what can be done with it.
 *
 * @param name the column's name in the database; the key in the table when left out
 * @param options `pad: 256` hides the length up to the next multiple of 256 bytes; `boundTo: 'id'` binds each value to its row
 * @throws {DecryptionError} when a row is read whose value was changed, moved, or encrypted under a key that is not this tenant's
 * @example
 * ```ts
 * tenantTable('customers', { address: encryptedJson<Address>('address') });
 * ```
 */
export function encryptedJson<T>(options?: EncryptedColumnOptions): EncryptedColumnBuilder<'', T>;
export function encryptedJson<T>(name: string, options?: EncryptedColumnOptions): EncryptedColumnBuilder<'', T>;
export function encryptedJson<T>(
  nameOrOptions: string | EncryptedColumnOptions = '',
  given?: EncryptedColumnOptions,
): EncryptedColumnBuilder<'', T> {
  const { name, options } = namedOptions(nameOrOptions, given);
  return new EncryptedColumnBuilder<'', T>(
    name as '',
    {
      expects: 'a JSON value',
      encode: (value) => {
        const text = jsonOf(value);
        return text === undefined ? undefined : Buffer.from(text, 'utf8');
      },
      plain: { type: 'jsonb', toDriver: jsonOf, bytesSql: textBytesSql },
      decode: (plaintext) => {
        try {
          return JSON.parse(plaintext.toString('utf8')) as T;
        } catch {
          throw new DecryptionError('An encrypted JSON value is not JSON.', formatFailure);
        }
      },
    },
    options,
  );
}

/** Undefined for what JSON can't hold; the serializer's own message names keys of the value. */
function jsonOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value) as string | undefined;
  } catch {
    return undefined;
  }
}
