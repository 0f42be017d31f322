import { is, Param, SQL } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import { hasCompanions, withRowCompanions, withUpdateCompanions } from './companion-values.ts';
import { columnsOf, defaultsOf } from './drizzle-internals.ts';
import type { StatementConfig, StatementKind } from './lazy-sql.ts';
import { perTable } from './per-table.ts';

type Values = Record<string, unknown>;

interface TableValues {
  /** The keys of the columns that an insert writes, in order. */
  readonly insertable: readonly string[];
  readonly onInsert: readonly Generated[];
  readonly onUpdate: readonly Generated[];
}

interface Generated {
  readonly key: string;
  readonly column: PgColumn;
  readonly generate: () => unknown;
}

const tableValues = perTable((table): TableValues => {
  const columns = Object.entries(columnsOf(table));
  const insertable = columns.filter(([, column]) => !defaultsOf(column).shouldDisableInsert());
  const generated = ([key, column]: [string, PgColumn], generate: (() => unknown) | undefined): Generated[] =>
    generate === undefined ? [] : [{ key, column, generate }];
  return {
    insertable: insertable.map(([key]) => key),
    onInsert: insertable.flatMap((entry) => {
      const { default: databaseDefault, defaultFn, onUpdateFn } = defaultsOf(entry[1]);
      return generated(entry, defaultFn ?? (databaseDefault ? undefined : onUpdateFn));
    }),
    onUpdate: columns.flatMap((entry) => generated(entry, defaultsOf(entry[1]).onUpdateFn)),
  };
});

export function insertableColumns(table: PgTable): readonly string[] {
  return tableValues(table).insertable;
}

/**
 * The configuration with what `$defaultFn` and `$onUpdate` answer, and what stands beside encrypted columns, written in, so that a statement's
 * values are all there to be seen. They are asked once per statement, in drizzle's order.
 *
 * @returns undefined when a function answered undefined, which drizzle takes for no value
 */
export function withGeneratedValues(kind: StatementKind, config: StatementConfig): StatementConfig | undefined {
  if (kind === 'insert') {
    const table = config['table'] as PgTable;
    const { onInsert } = tableValues(table);
    const companions = hasCompanions(table);
    if (onInsert.length === 0 && !companions) return config;
    const rows = (config['values'] as readonly Values[]).map((row) => {
      const all = filled(row, onInsert);
      return all && companions ? withRowCompanions(table, all) : all;
    });
    return rows.every((row) => row !== undefined) ? { ...config, values: rows } : undefined;
  }
  if (kind === 'update') {
    const table = config['table'] as PgTable;
    const { onUpdate } = tableValues(table);
    const companions = hasCompanions(table);
    if (onUpdate.length === 0 && !companions) return config;
    const set = filled(config['set'] as Values, onUpdate);
    return set && { ...config, set: companions ? withUpdateCompanions(table, set, config['where'] as SQL | undefined) : set };
  }
  return config;
}

function filled(values: Values, generated: readonly Generated[]): Values | undefined {
  let all = values;
  for (const { key, column, generate } of generated) {
    const given = values[key];
    if (given !== undefined && !(is(given, Param) && given.value === undefined)) continue;
    const value = generate();
    if (value === undefined) return undefined;
    if (all === values) all = { ...values };
    all[key] = is(value, SQL) ? value : new Param(value, column);
  }
  return all;
}
