import { is, sql } from 'drizzle-orm';
import {
  check,
  IndexBuilder,
  index,
  type PgColumnBuilderBase,
  type PgTableExtraConfigValue,
  UniqueConstraintBuilder,
} from 'drizzle-orm/pg-core';
import { ConfigurationError } from '../errors.ts';
import { checkIdentifier, quoteIdentifier } from '../sql/identifier.ts';
import { adoptingCheck } from './adoption-checks.ts';
import { BlindIndexColumnBuilder } from './blind-index-column.ts';
import { indexColumnName } from './column-index.ts';
import { columnNameOf } from './drizzle-internals.ts';
import { EncryptedColumnBuilder } from './encrypted-column.ts';
import { PlaintextColumnBuilder } from './plaintext-column.ts';

const maxNameBytes = 63;

/** The key of an index column in its table. Only drizzle meets it. */
function indexKeyOf(key: string): string {
  return `${key}$index`;
}

/** The key of the column that an encrypted one takes over. */
function plainKeyOf(key: string): string {
  return `${key}$plaintext`;
}

/**
 * A table's columns with the hidden ones of each encrypted column behind it: its blind index's, and the one that it takes over.
 *
 * @throws {ConfigurationError} when the name of a hidden column is taken or too long for PostgreSQL
 */
export function withHiddenBuilders(table: string, columns: Record<string, PgColumnBuilderBase>): Record<string, PgColumnBuilderBase> {
  const names = new Set(Object.entries(columns).map(([key, builder]) => columnNameOf(key, builder)));
  return Object.fromEntries(
    Object.entries(columns).flatMap(([key, builder]): [string, PgColumnBuilderBase][] => {
      if (!(builder instanceof EncryptedColumnBuilder)) return [[key, builder]];
      const adopted = adoptedBuilders(table, key, builder, names, columns);
      if (!builder.indexed) return [[key, builder], ...adopted];
      const name = indexColumnName(columnNameOf(key, builder));
      if (names.has(name) || Object.hasOwn(columns, indexKeyOf(key))) {
        throw new ConfigurationError(`${table}.${name} is the column of a blind index, and there is another of that name.`, {
          hint: 'Rename the other column.',
        });
      }
      if (Buffer.byteLength(name) > maxNameBytes) {
        throw new ConfigurationError(`${table}.${name}: a blind index needs a column of this name, which is too long for PostgreSQL.`, {
          hint: `Shorten the encrypted column's name to ${maxNameBytes - indexColumnName('').length} bytes.`,
        });
      }
      return [[key, builder], [indexKeyOf(key), new BlindIndexColumnBuilder(name, builder) as unknown as PgColumnBuilderBase], ...adopted];
    }),
  );
}

/** @throws {ConfigurationError} when the table has the column already */
function adoptedBuilders(
  table: string,
  key: string,
  builder: EncryptedColumnBuilder,
  names: ReadonlySet<string>,
  columns: Record<string, PgColumnBuilderBase>,
): [string, PgColumnBuilderBase][] {
  const { adopting } = builder;
  if (adopting === undefined) return [];
  const { column, type } = adopting.column;
  if (names.has(column) || Object.hasOwn(columns, plainKeyOf(key))) {
    throw new ConfigurationError(`${table}.${columnNameOf(key, builder)} takes over ${column}, which the table declares as well.`, {
      hint: `Leave ${column} out, and give the encrypted column another name than that.`,
    });
  }
  checkIdentifier(adoptingCheck(table, column));
  return [[plainKeyOf(key), new PlaintextColumnBuilder(column, type, builder) as unknown as PgColumnBuilderBase]];
}

/** The checks that each row's value stands in one column only, while encrypted ones take over others. */
export function adoptionChecks(table: string, columns: Record<string, PgColumnBuilderBase>): PgTableExtraConfigValue[] {
  return Object.entries(columns).flatMap(([key, builder]) => {
    const adopting = builder instanceof EncryptedColumnBuilder ? builder.adopting : undefined;
    if (adopting === undefined) return [];
    const { column } = adopting.column;
    const both = `${quoteIdentifier(column)}, ${quoteIdentifier(columnNameOf(key, builder))}`;
    return [check(adoptingCheck(table, column), sql.raw(`num_nonnulls(${both}) ${adopting.notNull ? '=' : '<='} 1`))];
  });
}

/** A table's extras and an index for each blind index that no key of theirs begins with: it is looked up by tenant and tag. */
export function withTagIndexes(
  table: string,
  self: Record<string, { readonly name: string }>,
  extras: readonly PgTableExtraConfigValue[],
): PgTableExtraConfigValue[] {
  const keyed = new Set(extras.map(secondColumn));
  const tags = Object.keys(self)
    .map((key) => self[indexKeyOf(key)])
    .filter((column): column is { readonly name: string } => column !== undefined && !keyed.has(column.name));
  return [...extras, ...tags.map((column) => index(`${table}_${column.name}`).on(self['tenantId'] as never, column as never))];
}

/** The name of the column that follows tenant_id. */
function secondColumn(extra: PgTableExtraConfigValue): string | undefined {
  if (is(extra, UniqueConstraintBuilder)) return (extra as unknown as { columns: readonly { name: string }[] }).columns[1]?.name;
  if (is(extra, IndexBuilder)) return (extra as unknown as { config: { columns: readonly { name?: string }[] } }).config.columns[1]?.name;
  return undefined;
}
