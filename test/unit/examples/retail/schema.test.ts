import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { getTableConfig, type PgColumn, type PgTable } from 'drizzle-orm/pg-core';
import { expect, test } from 'vitest';
import * as schema from '../../../../examples/retail/schema.ts';

const folder = join(import.meta.dirname, '../../../../examples/retail/migrations');

interface Columns {
  readonly [name: string]: { readonly type: string; readonly notNull?: boolean };
}
interface ForeignKey {
  readonly columns: string | readonly string[];
  readonly references: string;
  readonly onDelete?: string;
}
interface Constraints {
  readonly primaryKey: readonly string[];
  readonly unique?: readonly (readonly string[])[];
  readonly foreignKeys?: ForeignKey | readonly ForeignKey[];
}

/** What the migrations make, taken down by a builder that only listens. */
async function migrated(): Promise<Map<string, { columns: Columns; constraints: Constraints; indexes: string[][] }>> {
  const tables = new Map<string, { columns: Columns; constraints: Constraints; indexes: string[][] }>();
  const listener = {
    func: (text: string) => text,
    createTable: (name: string, columns: Columns, options: { constraints: Constraints }) =>
      tables.set(name, { columns, constraints: options.constraints, indexes: [] }),
    createIndex: (name: string, columns: string[]) => tables.get(name)!.indexes.push(columns),
  };
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.js')).sort()) {
    const { up } = (await import(join(folder, file))) as { up: (pgm: typeof listener) => void };
    up(listener);
  }
  return tables;
}

const names = (columns: readonly Pick<PgColumn, 'name'>[]): string[] => columns.map(({ name }) => name);
const { currencies, ...tenantTables } = schema;

test('every tenant table of the schema is made by a migration, and no other', async () => {
  expect([...(await migrated()).keys()].sort()).toEqual(
    Object.values(tenantTables)
      .map((table) => getTableConfig(table as PgTable).name)
      .sort(),
  );
});

test.each(Object.entries(tenantTables))(
  '%s: columns, keys and indexes of schema and migration agree and lead with tenant_id',
  async (_, table) => {
    const config = getTableConfig(table as PgTable);
    const made = (await migrated()).get(config.name)!;
    const type = (text: string): string => text.replaceAll(' ', '').replace('timestamptz', 'timestampwithtimezone');
    expect(Object.entries(made.columns).map(([name, column]) => [name, type(column.type), column.notNull ?? false])).toEqual(
      config.columns.map((column) => [column.name, type(column.getSQLType()), column.notNull]),
    );
    expect(config.primaryKeys.map((key) => names(key.columns))).toEqual([made.constraints.primaryKey]);
    expect(config.uniqueConstraints.map((key) => names(key.columns))).toEqual(made.constraints.unique ?? []);
    expect(config.indexes.map((index) => names(index.config.columns as PgColumn[]))).toEqual(made.indexes);

    const declared = config.foreignKeys.map((key) => {
      const { columns, foreignTable, foreignColumns } = key.reference();
      return {
        columns: names(columns),
        references: `${getTableConfig(foreignTable).name} (${names(foreignColumns).join(', ')})`,
        onDelete: key.onDelete ?? 'no action',
      };
    });
    const foreignKeys = [made.constraints.foreignKeys ?? []].flat() as ForeignKey[];
    expect(
      foreignKeys.map((key) => ({
        columns: [key.columns].flat(),
        references: key.references,
        onDelete: (key.onDelete ?? 'no action').toLowerCase(),
      })),
    ).toEqual(declared);

    const keys = [
      made.constraints.primaryKey,
      ...(made.constraints.unique ?? []),
      ...made.indexes,
      ...declared.filter(({ references }) => !references.startsWith('currencies')).map(({ columns }) => columns),
    ];
    for (const key of keys) expect(key[0]).toBe('tenant_id');
  },
);

test('the reference table is not the tenants’ migrations’ business', () => {
  expect(getTableConfig(currencies as PgTable)).toMatchObject({ name: 'currencies', schema: 'reference' });
});
