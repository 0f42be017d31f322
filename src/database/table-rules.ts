import { is, SQL } from 'drizzle-orm';
import type { PgTable } from 'drizzle-orm/pg-core';
import {
  ForeignKeyBuilder,
  IndexBuilder,
  type PgColumn,
  type PgColumnBuilderBase,
  PgPolicy,
  type PgTableExtraConfigValue,
  PrimaryKeyBuilder,
  UniqueConstraintBuilder,
} from 'drizzle-orm/pg-core';
import { ConfigurationError } from '../errors.ts';
import { builderState, columnNameOf, columnsOf, rangeNameOf } from './drizzle-internals.ts';
import { EncryptedColumn, EncryptedColumnBuilder } from './encrypted-column.ts';
import { tableKindOf } from './table-kind.ts';

/**
 * A unique or foreign key that does not lead with tenant_id reaches over tenants: its violation tells that another tenant has the
 * value, its cascade deletes another tenant's rows. These rules refuse such keys where they are written.
 */
export function checkTenantColumns(table: string, columns: Record<string, PgColumnBuilderBase>): void {
  for (const [key, builder] of Object.entries(columns)) {
    const { config, foreignKeyConfigs } = builderState(builder);
    const name = columnNameOf(key, builder);
    const refuse = (what: string, hint: string): never => {
      throw new ConfigurationError(`${table}.${name}: ${what}.`, { hint });
    };
    if (key === 'tenantId' || name === 'tenant_id') refuse('every tenant table gets the column tenant_id by itself', 'Leave it out.');
    if (config.primaryKey) refuse('a column-level primary key would span tenants', 'Write tenantKey(t.…) in the extras.');
    if (config.isUnique) refuse('a column-level unique constraint would span tenants', 'Write uniqueWithinTenant(t.…) in the extras.');
    if (foreignKeyConfigs.length > 0)
      refuse(
        'a column-level reference would span tenants',
        'Write tenantForeignKey({ columns, foreignColumns }) in the extras; foreignKey() for a reference table.',
      );
    if (config.baseBuilder instanceof EncryptedColumnBuilder) refuse('an array of encrypted values is not offered', 'Use encryptedJson.');
    if (builder instanceof EncryptedColumnBuilder && (config.generated !== undefined || config.default !== undefined)) {
      refuse('PostgreSQL can’t make an encrypted value', 'Use $defaultFn, which runs in the service.');
    }
  }
}

/** Checks a tenant table's keys and indexes when drizzle reads them. */
export function checkExtras(table: string, extras: PgTableExtraConfigValue[]): PgTableExtraConfigValue[] {
  for (const extra of extras) checkExtra(table, extra);
  return extras;
}

function checkExtra(table: string, extra: PgTableExtraConfigValue): void {
  if (is(extra, PrimaryKeyBuilder)) return checkKey(table, 'primary key', columnsIn(extra), 'tenantKey(t.…)');
  if (is(extra, UniqueConstraintBuilder)) return checkKey(table, 'unique constraint', columnsIn(extra), 'uniqueWithinTenant(t.…)');
  if (is(extra, IndexBuilder)) {
    const { unique, columns } = (extra as unknown as { config: { unique: boolean; columns: readonly (SQL | { name: string })[] } }).config;
    if (unique && !leads(columns[0])) throw spans(table, 'unique index', 'Put t.tenantId first.');
    return;
  }
  if (is(extra, ForeignKeyBuilder)) return checkForeignKey(table, extra);
  if (is(extra, PgPolicy)) {
    throw new ConfigurationError(`${table}: a policy of its own would be ORed to the tenant policy.`, {
      hint: 'The library installs the policies; leave pgPolicy out.',
    });
  }
}

function checkKey(table: string, what: string, columns: readonly PgColumn[], hint: string): void {
  if (!leads(columns[0])) throw spans(table, what, `Write ${hint}.`);
  const encrypted = columns.find((column) => isEncrypted(column));
  if (encrypted !== undefined) {
    throw new ConfigurationError(`${table}.${encrypted.name}: equal values encrypt differently, so that a ${what} can't hold.`, {
      hint: 'Leave the encrypted column out of the key.',
    });
  }
}

function checkForeignKey(table: string, builder: ForeignKeyBuilder): void {
  const { reference, _onDelete, _onUpdate } = builder as unknown as {
    reference(): { columns: PgColumn[]; foreignTable: PgTable; foreignColumns: PgColumn[] };
    _onDelete: string;
    _onUpdate: string;
  };
  const { columns, foreignTable, foreignColumns } = reference();
  const kind = tableKindOf(foreignTable);
  if (kind === 'reference') return;
  if (kind === undefined) {
    throw new ConfigurationError(
      `${table}: the foreign key points to ${rangeNameOf(foreignTable)}, which is neither a tenant nor a reference table.`,
      { hint: 'Declare it with tenantTable or referenceTable.' },
    );
  }
  if (!leads(columns[0]) || !leads(foreignColumns[0]))
    throw spans(table, `foreign key to ${rangeNameOf(foreignTable)}`, 'Write tenantForeignKey({ columns, foreignColumns }).');
  for (const action of [_onDelete, _onUpdate]) {
    if (action === 'set null' || action === 'set default') {
      throw new ConfigurationError(`${table}: "${action}" would also set tenant_id.`, { hint: 'Use cascade, restrict or no action.' });
    }
  }
}

/** The extras get stand-ins of the columns; the table has the columns themselves. */
function isEncrypted({ table, name }: PgColumn): boolean {
  return Object.values(columnsOf(table)).some((column) => column.name === name && column instanceof EncryptedColumn);
}

function columnsIn(builder: object): readonly PgColumn[] {
  return (builder as { columns: readonly PgColumn[] }).columns;
}

function leads(column: SQL | { name: string } | undefined): boolean {
  return column !== undefined && !is(column, SQL) && column.name === 'tenant_id';
}

function spans(table: string, what: string, hint: string): ConfigurationError {
  return new ConfigurationError(`${table}: a ${what} that does not lead with tenant_id would span tenants.`, { hint });
}
