import { DecryptionError } from '../errors.ts';
import { EncryptedColumnBuilder, type IndexOption, namedOptions } from './encrypted-column.ts';
import { formatFailure } from './plaintext-format.ts';

const length = 8;

/**
 * A column for numbers that is stored encrypted under the tenant's own key; see {@link encryptedText} for what can be done with it. Every
 * finite JavaScript number comes back as it was, `-0` included: the plaintext is its IEEE 754 double, 8 bytes whatever the number, so that
 * the length tells nothing. NaN and the infinities are refused with {@link EncryptedColumnError}.
 *
 * @param name the column's name in the database; the key in the table when left out
 * @param options `index: blindIndex()` lets `eq` and `inArray` find it; `boundTo: 'id'` binds each value to its row
 * @throws {DecryptionError} when a row is read whose value was changed, moved, or encrypted under a key that is not this tenant's
 * @example
 * ```ts
 * tenantTable('employees', { salary: encryptedNumber('salary').notNull() });
 * ```
 */
export function encryptedNumber(options?: IndexOption): EncryptedColumnBuilder<'', number>;
export function encryptedNumber<TName extends string>(name: TName, options?: IndexOption): EncryptedColumnBuilder<TName, number>;
export function encryptedNumber(nameOrOptions: string | IndexOption = '', given?: IndexOption): EncryptedColumnBuilder<string, number> {
  const { name, options } = namedOptions(nameOrOptions, given);
  return new EncryptedColumnBuilder(
    name,
    {
      expects: 'a finite number',
      encode,
      plain: {
        type: 'double precision',
        toDriver: (value) => value,
        bytesSql: numberBytesSql,
        exactSql,
      },
      decode: (plaintext) => {
        const value = plaintext.byteLength === length ? plaintext.readDoubleBE() : Number.NaN;
        if (!Number.isFinite(value)) throw new DecryptionError('An encrypted number is no number.', formatFailure);
        return value;
      },
      // 0 and -0 are equal in JavaScript.
      indexed: (value) => encode(value === 0 ? 0 : value),
    },
    options,
  );
}

/** Whether the decimal that a double is written as is the one that was there; beyond the bounds PostgreSQL refuses to make a double. */
function exactSql(expression: string): string {
  const decimal = `(${expression})::text::numeric`;
  return `case when ${decimal} = 0 or abs(${decimal}) between 4.9406564584124654e-324 and 1.7976931348623157e308
    then (${expression})::text::float8::text::numeric = ${decimal} else false end`;
}

const single = /^\s*(?:real|float4|float\s*\(\s*(?:\d|1\d|2[0-4])\s*\))\s*$/i;

/** Of single precision through its digits, as a driver reads it: 0.1 and not 0.10000000149011612. */
function numberBytesSql(expression: string, type: string): string {
  return `pg_catalog.float8send((${expression})::${single.test(type) ? 'text::' : ''}float8)`;
}

function encode(value: unknown): Buffer | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  const bytes = Buffer.allocUnsafe(length);
  bytes.writeDoubleBE(value);
  return bytes;
}
