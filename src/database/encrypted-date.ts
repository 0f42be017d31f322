import { DecryptionError } from '../errors.ts';
import { EncryptedColumnBuilder, type IndexOption, namedOptions } from './encrypted-column.ts';
import { formatFailure } from './plaintext-format.ts';

const length = 8;
/** The largest integer of 8 bytes, which is no Date's time. */
const noTime = '9223372036854775807';

/**
 * A column for points in time, as JavaScript's `Date`, that is stored encrypted under the tenant's own key; see {@link encryptedText} for
 * what can be done with it. Exact to the millisecond, and of no time zone: the plaintext is the milliseconds since 1970 as a signed integer
 * of 8 bytes. An invalid Date is refused with {@link EncryptedColumnError}. For a calendar day, such as a birthday, write `2001-04-30` into
 * an `encryptedText`: a Date is another day elsewhere.
 *
 * @param name the column's name in the database; the key in the table when left out
 * @param options `index: blindIndex()` lets `eq` and `inArray` find it; `boundTo: 'id'` binds each value to its row
 * @throws {DecryptionError} when a row is read whose value was changed, moved, or encrypted under a key that is not this tenant's
 * @example
 * ```ts
 * tenantTable('employees', { dismissedAt: encryptedDate('dismissed_at') });
 * ```
 */
export function encryptedDate(options?: IndexOption): EncryptedColumnBuilder<'', Date>;
export function encryptedDate<TName extends string>(name: TName, options?: IndexOption): EncryptedColumnBuilder<TName, Date>;
export function encryptedDate(nameOrOptions: string | IndexOption = '', given?: IndexOption): EncryptedColumnBuilder<string, Date> {
  const { name, options } = namedOptions(nameOrOptions, given);
  return new EncryptedColumnBuilder(
    name,
    {
      expects: 'a valid Date',
      encode,
      plain: {
        type: 'timestamp with time zone',
        toDriver: (value) => (value as Date).toISOString(),
        bytesSql: timeBytesSql,
        exactSql: (expression) => `pg_catalog.isfinite(${expression})`,
      },
      decode: (plaintext) => {
        const date = new Date(plaintext.byteLength === length ? Number(plaintext.readBigInt64BE()) : Number.NaN);
        if (Number.isNaN(date.getTime())) throw new DecryptionError('An encrypted date is no date.', formatFailure);
        return date;
      },
      indexed: encode,
    },
    options,
  );
}

/**
 * Of a type without a time zone, as drizzle reads it: in UTC. What is finer than a millisecond is cut off, as JavaScript's Date does. Infinite
 * times become what `decode` refuses: PostgreSQL's own error would fail the whole statement.
 */
function timeBytesSql(expression: string, type: string): string {
  const zoned = /with time zone|timestamptz/i.test(type) ? `(${expression})` : `((${expression})::timestamp at time zone 'UTC')`;
  const ms = `case when not pg_catalog.isfinite(${zoned}) then ${noTime} else pg_catalog.floor(extract(epoch from ${zoned}) * 1000)::int8 end`;
  return `pg_catalog.int8send(${ms})`;
}

function encode(value: unknown): Buffer | undefined {
  const time = value instanceof Date ? value.getTime() : Number.NaN;
  if (Number.isNaN(time)) return undefined;
  const bytes = Buffer.allocUnsafe(length);
  bytes.writeBigInt64BE(BigInt(time));
  return bytes;
}
