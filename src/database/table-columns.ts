import { is } from 'drizzle-orm';
import { IndexBuilder, index, type PgColumnBuilderBase, type PgTableExtraConfigValue, UniqueConstraintBuilder } from 'drizzle-orm/pg-core';
import { ConfigurationError } from '../errors.ts';
import { BlindIndexColumnBuilder } from './blind-index-column.ts';
import { indexColumnName } from './column-index.ts';
import { builderState } from './drizzle-internals.ts';
import { EncryptedColumnBuilder } from './encrypted-column.ts';

const maxNameBytes = 63;

/** The key of an index column in its table. Only drizzle meets it. */
function indexKeyOf(key: string): string {
  return `${key}$index`;
}

/**
 * A table's columns with the index column of each encrypted one that has an index, behind it.
 *
 * @throws {ConfigurationError} when the name of an index column is taken or too long for PostgreSQL
 */
export function withIndexBuilders(table: string, columns: Record<string, PgColumnBuilderBase>): Record<string, PgColumnBuilderBase> {
  const names = new Set(Object.entries(columns).map(([key, builder]) => nameOf(key, builder)));
  return Object.fromEntries(
    Object.entries(columns).flatMap(([key, builder]): [string, PgColumnBuilderBase][] => {
      if (!(builder instanceof EncryptedColumnBuilder) || !builder.indexed) return [[key, builder]];
      const name = indexColumnName(nameOf(key, builder));
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
      return [
        [key, builder],
        [indexKeyOf(key), new BlindIndexColumnBuilder(name, builder) as unknown as PgColumnBuilderBase],
      ];
    }),
  );
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

function nameOf(key: string, builder: PgColumnBuilderBase): string {
  const { name } = builderState(builder).config;
  return name === '' ? key : name;
}
