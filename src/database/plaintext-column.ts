import { entityKind } from 'drizzle-orm';
import { type AnyPgTable, PgCustomColumnBuilder, type PgTable } from 'drizzle-orm/pg-core';
import { columnsOf } from './drizzle-internals.ts';
import type { EncryptedColumn, EncryptedColumnBuilder } from './encrypted-column.ts';
import { HiddenColumn } from './hidden-column.ts';

interface PlaintextConfig {
  name: string;
  dataType: 'custom';
  columnType: 'PgCustomColumn';
  data: never;
  driverParam: unknown;
  enumValues: undefined;
}

/** The column with the plaintext values that an encrypted one takes over. */
export class PlaintextColumn extends HiddenColumn {
  static override readonly [entityKind]: string = 'TenancyPlaintextColumn';
  readonly encrypted: EncryptedColumn;

  constructor(table: AnyPgTable, config: never, encrypted: EncryptedColumn) {
    super(table as never, config);
    this.encrypted = encrypted;
  }

  /** @throws {EncryptedColumnError} when the value is not of the encrypted column's type */
  override mapToDriverValue(value: never): never {
    return this.encrypted.toPlainDriverValue(value) as never;
  }
}

/** Builds the plaintext column of an encrypted one. */
export class PlaintextColumnBuilder extends PgCustomColumnBuilder<PlaintextConfig> {
  static override readonly [entityKind]: string = 'TenancyPlaintextColumnBuilder';
  readonly #source: EncryptedColumnBuilder;

  constructor(name: string, type: string, source: EncryptedColumnBuilder) {
    super(name, {}, { dataType: () => type });
    this.#source = source;
  }

  /** drizzle calls this when the table is made, after it built the encrypted column. */
  build(table: AnyPgTable): PlaintextColumn {
    return new PlaintextColumn(table, this.config as never, this.#source.build(table));
  }
}

/** The column whose values an encrypted one takes over; undefined where it takes over none. */
export function plaintextColumnOf(table: PgTable, { adoption }: EncryptedColumn): PlaintextColumn | undefined {
  if (adoption === undefined) return undefined;
  return Object.values(columnsOf(table)).find(
    (column): column is PlaintextColumn & typeof column => column instanceof PlaintextColumn && column.name === adoption.column,
  );
}
