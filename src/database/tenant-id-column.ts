import { entityKind } from 'drizzle-orm';
import { type AnyPgTable, PgCustomColumn, PgCustomColumnBuilder } from 'drizzle-orm/pg-core';
import { GivenTenantId } from './deferred.ts';

interface TenantIdConfig {
  name: 'tenant_id';
  dataType: 'custom';
  columnType: 'PgCustomColumn';
  data: string;
  driverParam: string;
  enumValues: undefined;
}

/**
 * The column `tenant_id text not null` of every tenant table. A value that a query gives for it, wherever it stands, becomes a
 * {@link GivenTenantId}, which is compared with the executing tenant before anything is sent.
 */
export class TenantIdColumn extends PgCustomColumn<
  TenantIdConfig & {
    tableName: string;
    notNull: true;
    hasDefault: true;
    isPrimaryKey: false;
    isAutoincrement: false;
    hasRuntimeDefault: false;
    generated: undefined;
  }
> {
  static override readonly [entityKind]: string = 'TenancyTenantIdColumn';

  override getSQLType(): string {
    return 'text';
  }

  override mapFromDriverValue(value: string): string {
    return value;
  }

  override mapToDriverValue(value: string): string {
    return new GivenTenantId(value) as unknown as string;
  }
}

/**
 * Builds the column `tenant_id` of every {@link tenantTable}; typed as having a default, so that inserts may leave it out: the dialect
 * always writes it.
 */
export class TenantIdColumnBuilder extends PgCustomColumnBuilder<TenantIdConfig> {
  static override readonly [entityKind]: string = 'TenancyTenantIdColumnBuilder';
  declare _: PgCustomColumnBuilder<TenantIdConfig>['_'] & { notNull: true; hasDefault: true };

  constructor() {
    super('tenant_id', {}, { dataType: () => 'text' });
    this.config.notNull = true;
  }

  /** drizzle calls this when the table is made. */
  build(table: AnyPgTable): TenantIdColumn {
    return new TenantIdColumn(table as never, this.config as never);
  }
}
