import { entityKind } from 'drizzle-orm';
import { type AnyPgTable, PgCustomColumn, PgCustomColumnBuilder } from 'drizzle-orm/pg-core';
import type { ColumnPlace } from '../crypto/column-codec.ts';
import { ConfigurationError, EncryptedColumnError } from '../errors.ts';
import { decrypt } from './decryption.ts';
import { EncryptedValue } from './deferred.ts';
import { originalNameOf } from './drizzle-internals.ts';
import { tableKindOf } from './table-kind.ts';

/** How a column's values become bytes and come back. */
export interface PlaintextFormat<T> {
  /** @returns undefined when the value is not of the column's type */
  encode(value: unknown): Buffer | undefined;
  decode(plaintext: Buffer): T;
}

interface EncryptedConfig<TName extends string, TData> {
  name: TName;
  dataType: 'custom';
  columnType: 'PgCustomColumn';
  data: TData;
  driverParam: Buffer;
  enumValues: undefined;
}

/** A column stored as `bytea` under the tenant's own key; services read and write its plaintext. */
export class EncryptedColumn extends PgCustomColumn<never> {
  static override readonly [entityKind]: string = 'TenancyEncryptedColumn';
  readonly format: PlaintextFormat<unknown>;
  /** The table whose column this is, whatever alias or view a query reads it through. */
  readonly home: string;

  constructor(table: AnyPgTable, config: never, format: PlaintextFormat<unknown>) {
    super(table as never, config);
    this.format = format;
    this.home = originalNameOf(table);
  }

  override getSQLType(): string {
    return 'bytea';
  }

  override mapToDriverValue(value: never): never {
    const plaintext = this.format.encode(value);
    if (plaintext === undefined) {
      throw new EncryptedColumnError(`${labelOf(this)} was given a value of another type.`, {
        hint: 'Give what the column’s TypeScript type says.',
      });
    }
    return new EncryptedValue(this.place(), plaintext) as never;
  }

  override mapFromDriverValue(value: never): never {
    return this.format.decode(decrypt(this.place(), bytesOf(value, this))) as never;
  }

  /** Part of every ciphertext's authenticated data, so that none opens in another table or column. */
  place(): ColumnPlace {
    if (tableKindOf(this.table) !== 'tenant') {
      throw new ConfigurationError(`${labelOf(this)} is encrypted, but its table belongs to no tenant.`, {
        hint: 'Declare the table with tenantTable.',
      });
    }
    return { table: this.home, column: this.name };
  }
}

/**
 * What `encryptedText`, `encryptedJson` and `encryptedBytes` return: drizzle's builder of a column whose values are `TData`.
 *
 * @example
 * ```ts
 * const iban: EncryptedColumnBuilder<'iban', string> = encryptedText('iban');
 * ```
 */
export class EncryptedColumnBuilder<TName extends string = string, TData = unknown> extends PgCustomColumnBuilder<
  EncryptedConfig<TName, TData>
> {
  static override readonly [entityKind]: string = 'TenancyEncryptedColumnBuilder';
  readonly #format: PlaintextFormat<TData>;

  constructor(name: TName, format: PlaintextFormat<TData>) {
    super(name, {}, { dataType: () => 'bytea' });
    this.#format = format;
  }

  /** drizzle calls this when the table is made. */
  build(table: AnyPgTable): EncryptedColumn {
    return new EncryptedColumn(table, this.config as never, this.#format);
  }
}

/** Not a private method: drizzle's aliases are proxies, which have none. */
function labelOf({ home, name }: EncryptedColumn): string {
  return `${home}.${name}`;
}

/** In a row bytea is a Buffer; inside the JSON of a relational query it is PostgreSQL's hex text. */
function bytesOf(value: unknown, column: EncryptedColumn): Buffer {
  if (typeof value === 'string' && value.startsWith('\\x')) return Buffer.from(value.slice(2), 'hex');
  if (value instanceof Uint8Array) return Buffer.isBuffer(value) ? value : Buffer.from(value);
  throw new EncryptedColumnError(`${labelOf(column)} is encrypted, but the database answered something that is not bytes.`, {
    hint: 'The column’s type in the database must be bytea.',
  });
}
