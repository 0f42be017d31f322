import { entityKind } from 'drizzle-orm';
import { type AnyPgTable, type PgColumn, PgCustomColumn, PgCustomColumnBuilder } from 'drizzle-orm/pg-core';
import type { ColumnPlace } from '../crypto/column-codec.ts';
import { requirePadding } from '../crypto/padding.ts';
import { ConfigurationError, EncryptedColumnError } from '../errors.ts';
import { BlindIndex } from './blind-index.ts';
import { boundRead, boundReadSql } from './bound-read.ts';
import { BoundValue } from './bound-value.ts';
import { type AdoptOptions, ColumnAdoption, checkAdoption } from './column-adoption.ts';
import { ColumnIndex } from './column-index.ts';
import { decrypt } from './decryption.ts';
import { EncryptedValue } from './deferred.ts';
import { columnsOf, originalNameOf } from './drizzle-internals.ts';
import type { PlaintextFormat } from './plaintext-format.ts';
import { rowIdText } from './row-id.ts';
import { tableKindOf } from './table-kind.ts';

/** What every encrypted column may be told. */
export interface EncryptedColumnOptions {
  /**
   * Rounds the plaintext's length up to a multiple of so many bytes, from 2 to 65,536, so that the ciphertext's tells less. One byte at least
   * is added. Values that were written before, or with another multiple, stay readable. Not padded unless told.
   */
  readonly pad?: number | undefined;
  /** Takes over an existing column whose values are not encrypted yet; see {@link AdoptOptions}. */
  readonly adopt?: AdoptOptions | undefined;
  /**
   * The key, in the table, of the column that holds a stable id of the row, such as `'id'`. Each value is then encrypted for its row: moved
   * to another one, it does not open. The id is made by the service before the row is inserted, and is the table's key alone
   * (`tenantKey(t.id)`); an update of the column names one row (docs/encryption.md, "Bound to the row"). Not bound unless told.
   */
  readonly boundTo?: string | undefined;
}

/** What an encrypted column whose values are all of one length may be told. */
export interface IndexOption extends Pick<EncryptedColumnOptions, 'adopt' | 'boundTo'> {
  /** Lets queries compare the column for equality; see {@link blindIndex}. */
  readonly index?: BlindIndex | undefined;
}

/** What an encrypted column that can be searched may be told. */
export interface IndexedColumnOptions extends EncryptedColumnOptions, IndexOption {}

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
  /** The multiple, in bytes, that plaintexts are padded to. */
  readonly padTo: number | undefined;

  /** What the column can be compared by. */
  readonly index: ColumnIndex | undefined;

  /** The column whose plaintext values this one takes over. */
  readonly adoption: ColumnAdoption | undefined;

  /** The key of the column whose value is the id of the row that each value is bound to. */
  readonly boundTo: string | undefined;

  /** One object for all values, by which the codec knows the column again. Not `#private`: drizzle's aliases are proxies, which have none. */
  private readonly ownPlace: ColumnPlace;

  constructor(table: AnyPgTable, config: never, format: PlaintextFormat<unknown>, options: IndexedColumnOptions) {
    const { pad, index, adopt, boundTo } = options;
    super(table as never, config);
    this.format = format;
    this.padTo = pad;
    this.home = originalNameOf(table);
    this.ownPlace = Object.freeze({ table: this.home, column: this.name });
    this.index = index && new ColumnIndex(this.home, this.name, index, format);
    this.adoption = adopt && new ColumnAdoption(adopt, format.plain);
    this.boundTo = boundTo;
  }

  override getSQLType(): string {
    return 'bytea';
  }

  override mapToDriverValue(given: never): never {
    const { value, rowId } = placedValue(given, this);
    return new EncryptedValue(this.place(rowId), encoded(this, value), this.padTo) as never;
  }

  /** A value as a parameter of the column that this one takes over. @throws {EncryptedColumnError} when it is not of this column's type */
  toPlainDriverValue(value: unknown): unknown {
    encoded(this, value);
    return this.adoption?.toDriver(value);
  }

  override mapFromDriverValue(value: never): never {
    const bytes = bytesOf(value, this);
    const { rowId, stored } = this.boundTo === undefined ? { rowId: undefined, stored: bytes } : boundRead(bytes);
    const { plaintext, ciphertext } = this.adoption?.opened(stored) ?? { plaintext: undefined, ciphertext: stored };
    return this.format.decode(plaintext ?? decrypt(this.place(rowId), ciphertext)) as never;
  }

  /**
   * SQL for what {@link mapFromDriverValue} takes, where that is more than the column's own bytes.
   *
   * @param of gives the SQL of a column of the same row by its name
   */
  readSql(of: (column: string) => string): string | undefined {
    const { rowIdColumn } = this;
    const stored = this.adoption?.readSql(of(this.name), of);
    return rowIdColumn === undefined ? stored : boundReadSql(of(rowIdColumn.name), stored ?? of(this.name));
  }

  /** The column whose value is the row's id; undefined where values are not bound to it. */
  get rowIdColumn(): PgColumn | undefined {
    if (this.boundTo === undefined) return undefined;
    const column = columnsOf(this.table)[this.boundTo];
    if (column !== undefined) return column;
    // Not to be taken for an unbound one: its bytes alone could name any row.
    throw new ConfigurationError(`${labelOf(this)} is bound to its row by "${this.boundTo}", which is no column of its table.`, {
      hint: 'Declare the table with tenantTable.',
    });
  }

  /** Part of every ciphertext's authenticated data, so that none opens in another table or column, or in another row where it is bound. */
  place(rowId?: string): ColumnPlace {
    if (tableKindOf(this.table) !== 'tenant') {
      throw new ConfigurationError(`${labelOf(this)} is encrypted, but its table belongs to no tenant.`, {
        hint: 'Declare the table with tenantTable.',
      });
    }
    return rowId === undefined ? this.ownPlace : { ...this.ownPlace, rowId };
  }
}

/**
 * What `encryptedText` and its like return: drizzle's builder of a column whose values are `TData`.
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

  readonly #options: IndexedColumnOptions;

  /** @throws {ConfigurationError} when the padding is none, the index one that the type of the values can't have, or the adoption none */
  constructor(name: TName, format: PlaintextFormat<TData>, options: IndexedColumnOptions = {}) {
    super(name, {}, { dataType: () => 'bytea' });
    if (options.pad !== undefined) requirePadding(options.pad);
    if (options.adopt !== undefined) checkAdoption(options.adopt);
    checkIndex(options.index, format);
    this.#format = format;
    this.#options = Object.freeze({ ...options });
  }

  /** The key of the column that its values are bound to their rows by. */
  get boundTo(): string | undefined {
    return this.#options.boundTo;
  }

  /** Whether the column can be compared. */
  get indexed(): boolean {
    return this.#options.index !== undefined;
  }

  /** What of an existing column it takes over, and whether every row has a value. */
  get adopting(): { readonly column: ColumnAdoption; readonly notNull: boolean } | undefined {
    const { adopt } = this.#options;
    return adopt && { column: new ColumnAdoption(adopt, this.#format.plain), notNull: this.config.notNull };
  }

  /** drizzle calls this when the table is made. While a column is taken over, its rows' values stand in either of two. */
  build(table: AnyPgTable): EncryptedColumn {
    const config = this.#options.adopt === undefined ? this.config : { ...this.config, notNull: false };
    return new EncryptedColumn(table, config as never, this.#format, this.#options);
  }
}

function checkIndex(index: BlindIndex | undefined, format: PlaintextFormat<unknown>): void {
  if (index === undefined) return;
  if (!(index instanceof BlindIndex) || format.indexed === undefined) {
    throw new ConfigurationError('An encrypted column was given an index that it can’t have.', {
      hint: 'Write index: blindIndex(…) on encryptedText, encryptedNumber, encryptedDate or encryptedBytes.',
    });
  }
  if (index.normalise !== 'exact' && format.expects !== 'text') {
    throw new ConfigurationError(`A blind index of values that are ${format.expects} has a normaliser for texts.`, {
      hint: 'Leave normalise out.',
    });
  }
}

/** A column's name and options from a builder's arguments, in drizzle's way: either may be left out. */
export function namedOptions<T extends object>(name: string | T, options: T | undefined): { readonly name: string; readonly options: T } {
  return typeof name === 'string' ? { name, options: options ?? ({} as T) } : { name: '', options: name };
}

/** Not a private method, like the next: drizzle's aliases are proxies, which have none. */
function encoded(column: EncryptedColumn, value: unknown): Buffer {
  const plaintext = column.format.encode(value);
  if (plaintext !== undefined) return plaintext;
  throw new EncryptedColumnError(`${labelOf(column)} was given a value that is not ${column.format.expects}.`, {
    hint: 'Give what the column’s TypeScript type says.',
  });
}

function labelOf({ home, name }: EncryptedColumn): string {
  return `${home}.${name}`;
}

/** A value and the id of the row that it is written to; of an unbound column without one. */
function placedValue(given: unknown, column: EncryptedColumn): { readonly value: unknown; readonly rowId: string | undefined } {
  const { rowIdColumn } = column;
  if (rowIdColumn === undefined) return { value: given, rowId: undefined };
  if (given instanceof BoundValue && !given.open) {
    return { value: given.value, rowId: rowIdText(labelOf(column), rowIdColumn, given.rowId) };
  }
  throw new EncryptedColumnError(`${labelOf(column)} is bound to its row, and it can't be told which row this value is for.`, {
    hint: 'Write it by an insert that gives the id, or by an update of one row.',
  });
}

/** In a row bytea is a Buffer; inside the JSON of a relational query it is PostgreSQL's hex text. */
function bytesOf(value: unknown, column: EncryptedColumn): Buffer {
  if (typeof value === 'string' && value.startsWith('\\x')) return Buffer.from(value.slice(2), 'hex');
  if (value instanceof Uint8Array) return Buffer.isBuffer(value) ? value : Buffer.from(value);
  throw new EncryptedColumnError(`${labelOf(column)} is encrypted, but the database answered something that is not bytes.`, {
    hint: 'The column’s type in the database must be bytea.',
  });
}
