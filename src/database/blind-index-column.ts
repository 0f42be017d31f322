import { entityKind } from 'drizzle-orm';
import { type AnyPgTable, PgCustomColumnBuilder, type PgTable } from 'drizzle-orm/pg-core';
import type { ColumnIndex } from './column-index.ts';
import { columnsOf } from './drizzle-internals.ts';
import type { EncryptedColumn, EncryptedColumnBuilder } from './encrypted-column.ts';
import { HiddenColumn } from './hidden-column.ts';

interface BlindIndexConfig {
  name: string;
  dataType: 'custom';
  columnType: 'PgCustomColumn';
  data: never;
  driverParam: Buffer;
  enumValues: undefined;
}

/** The column that holds an encrypted column's tags. */
export class BlindIndexColumn extends HiddenColumn {
  static override readonly [entityKind]: string = 'TenancyBlindIndexColumn';
  readonly index: ColumnIndex;

  constructor(table: AnyPgTable, config: never, index: ColumnIndex) {
    super(table as never, config);
    this.index = index;
  }

  override getSQLType(): string {
    return 'bytea';
  }

  override mapToDriverValue(value: never): never {
    return this.index.mapToDriverValue(value) as never;
  }
}

/** Builds the index column of an encrypted one. */
export class BlindIndexColumnBuilder extends PgCustomColumnBuilder<BlindIndexConfig> {
  static override readonly [entityKind]: string = 'TenancyBlindIndexColumnBuilder';
  readonly #source: EncryptedColumnBuilder;

  constructor(name: string, source: EncryptedColumnBuilder) {
    super(name, {}, { dataType: () => 'bytea' });
    this.#source = source;
  }

  /** drizzle calls this when the table is made, after it built the encrypted column. */
  build(table: AnyPgTable): BlindIndexColumn {
    return new BlindIndexColumn(table, this.config as never, this.#source.build(table).index as ColumnIndex);
  }
}

/** The column that holds an encrypted column's tags; undefined where it has no index. */
export function indexColumnOf(table: PgTable, { index }: EncryptedColumn): BlindIndexColumn | undefined {
  if (index === undefined) return undefined;
  return Object.values(columnsOf(table)).find(
    (column): column is BlindIndexColumn & typeof column => column instanceof BlindIndexColumn && column.name === index.columnName,
  );
}
