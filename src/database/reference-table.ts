import type { BuildColumns, BuildExtraConfigColumns } from 'drizzle-orm';
import { type PgColumnBuilderBase, type PgTableExtraConfigValue, type PgTableWithColumns, pgSchema } from 'drizzle-orm/pg-core';
import { ConfigurationError } from '../errors.ts';
import { EncryptedColumnBuilder } from './encrypted-column.ts';
import { markTable } from './table-kind.ts';

/** The schema of reference tables in every tenant database. */
export const referenceSchema = 'reference';

const schema = pgSchema(referenceSchema);

/** A table that every tenant reads, typed as drizzle types its own tables. */
export type ReferenceTable<TName extends string, TColumns extends Record<string, PgColumnBuilderBase>> = PgTableWithColumns<{
  name: TName;
  schema: typeof referenceSchema;
  columns: BuildColumns<TName, TColumns, 'pg'>;
  dialect: 'pg';
}>;

/**
 * A table of which every tenant reads the same rows: currencies, countries. It lives in schema `reference`; services may select from
 * it and join it, its rows change by database migrations only.
 *
 * @param name the table's name, without a schema
 * @param columns drizzle's columns
 * @param extra keys and indexes, as drizzle takes them
 * @throws {ConfigurationError} on an encrypted column: there is no tenant whose key it would be
 * @example
 * ```ts
 * export const currencies = referenceTable('currencies', { code: text('code').primaryKey(), name: text('name').notNull() });
 * ```
 */
export function referenceTable<TName extends string, TColumns extends Record<string, PgColumnBuilderBase>>(
  name: TName,
  columns: TColumns,
  extra?: (self: BuildExtraConfigColumns<TName, TColumns, 'pg'>) => PgTableExtraConfigValue[],
): ReferenceTable<TName, TColumns> {
  for (const [key, builder] of Object.entries(columns)) {
    if (builder instanceof EncryptedColumnBuilder) {
      throw new ConfigurationError(
        `${referenceSchema}.${name}.${key}: a reference table belongs to no tenant, so there is no key to encrypt with.`,
        { hint: 'Encrypt columns of tenant tables.' },
      );
    }
  }
  return markTable(schema.table(name, columns, extra), 'reference') as unknown as ReferenceTable<TName, TColumns>;
}
