import * as drizzle from 'drizzle-orm';
import { type Column, type ColumnsSelection, is, type Query, SQL, type Subquery, type Table, View } from 'drizzle-orm';
import {
  type IndexColumn,
  type PgColumn,
  type PgColumnBuilderBase,
  type PgDeleteConfig,
  PgDialect,
  type PgDialectConfig,
  PgInsertBase,
  type PgInsertConfig,
  type PgSelectConfig,
  type PgSession,
  type PgTable,
  type PgUpdateConfig,
  type SelectedFieldsOrdered,
} from 'drizzle-orm/pg-core';

/**
 * What this library uses of drizzle beyond its public types, in one place. drizzle marks these members `@internal`, so that its
 * declarations leave them out; they are there at run time, and the unit tests of this folder fail when a version moves them.
 */

const nameSymbol = Symbol.for('drizzle:Name');
const originalNameSymbol = Symbol.for('drizzle:OriginalName');
const schemaSymbol = Symbol.for('drizzle:Schema');
const aliasSymbol = Symbol.for('drizzle:IsAlias');
const columnsSymbol = Symbol.for('drizzle:Columns');
const inlineForeignKeysSymbol = Symbol.for('drizzle:PgInlineForeignKeys');
const viewSymbol = Symbol.for('drizzle:ViewBaseConfig');

function member<T>(of: object, key: symbol): T {
  return (of as Record<symbol, T>)[key] as T;
}

/** What a query reads from by name. */
export type Relation = Table | View;

interface ViewConfig {
  readonly name: string;
  readonly originalName: string;
  readonly schema: string | undefined;
  readonly selectedFields: ColumnsSelection;
  readonly isAlias: boolean;
}

function viewConfig(view: View): ViewConfig {
  return member(view, viewSymbol);
}

/** The name that a query knows a table or view by: its alias, or its own name. */
export function rangeNameOf(relation: Relation): string {
  return is(relation, View) ? viewConfig(relation).name : member(relation, nameSymbol);
}

/** An object that belongs to one table and that its aliases, which are made anew wherever one is mentioned, share with it. */
export function identityOf(table: Table): object | undefined {
  return member(table, inlineForeignKeysSymbol);
}

/** A table's or view's own name, whatever its alias. */
export function originalNameOf(relation: Relation): string {
  return is(relation, View) ? viewConfig(relation).originalName : member(relation, originalNameSymbol);
}

export function schemaOf(relation: Relation): string | undefined {
  return is(relation, View) ? viewConfig(relation).schema : member(relation, schemaSymbol);
}

export function isAlias(relation: Relation): boolean {
  return is(relation, View) ? viewConfig(relation).isAlias : member<boolean>(relation, aliasSymbol) === true;
}

/** What a view's rows hold, by key. */
export function viewFieldsOf(view: View): ColumnsSelection {
  return viewConfig(view).selectedFields;
}

export function columnsOf(table: Table): Record<string, PgColumn> {
  return member(table, columnsSymbol);
}

/** What a column builder was told so far. */
export interface ColumnBuilderState {
  readonly config: {
    readonly name: string;
    readonly columnType: string;
    readonly notNull: boolean;
    readonly primaryKey: boolean;
    readonly isUnique: boolean;
    readonly hasDefault: boolean;
    readonly default: unknown;
    readonly generated: unknown;
    readonly generatedIdentity?: unknown;
    readonly onUpdateFn?: (() => unknown) | undefined;
    readonly baseBuilder?: PgColumnBuilderBase;
  };
  readonly foreignKeyConfigs: readonly unknown[];
}

/** A column's name in the database: the one that it was given, or else its key in the table. */
export function columnNameOf(key: string, builder: PgColumnBuilderBase): string {
  const { name } = builderState(builder).config;
  return name === '' ? key : name;
}

export function builderState(builder: PgColumnBuilderBase): ColumnBuilderState {
  return builder as unknown as ColumnBuilderState;
}

/** The column's defaults as drizzle keeps them. */
export interface ColumnDefaults {
  readonly default: unknown;
  readonly defaultFn?: (() => unknown) | undefined;
  readonly onUpdateFn?: (() => unknown) | undefined;
  shouldDisableInsert(): boolean;
}

export function defaultsOf(column: Column): ColumnDefaults {
  return column as unknown as ColumnDefaults;
}

/** What every subquery carries: the SQL that it stands for, and its fields by key. */
export interface SubqueryParts {
  readonly sql: SQL;
  readonly alias: string;
  readonly isWith: boolean;
  readonly selectedFields: Readonly<Record<string, unknown>>;
}

export function subqueryParts(subquery: Subquery): SubqueryParts {
  return (subquery as unknown as { _: SubqueryParts })._;
}

/** Turns one driver row (columns in order) into the object that the caller selected. */
export const mapResultRow = (
  drizzle as unknown as {
    mapResultRow(
      fields: SelectedFieldsOrdered,
      row: readonly unknown[],
      joinsNotNullable: Record<string, boolean> | undefined,
    ): Record<string, unknown>;
  }
).mapResultRow;

/** A selection's fields, one after another, with the path of each. */
export const orderSelectedFields = (drizzle as unknown as { orderSelectedFields(fields: PgSelectConfig['fields']): SelectedFieldsOrdered })
  .orderSelectedFields;

/** PgDialect as far as scoping calls or overrides it, the parts that it keeps private included. */
export interface OpenDialect {
  readonly casing: { getColumnCasing(column: Column): string };
  escapeName(name: string): string;
  buildWithCTE(queries: readonly Subquery[] | undefined): SQL | undefined;
  buildSelection(fields: SelectedFieldsOrdered, options?: { readonly isSingleTable?: boolean }): SQL;
  buildSelectQuery(config: PgSelectConfig): SQL;
  buildSetOperations(left: SQL, operators: PgSelectConfig['setOperators']): SQL;
  buildSetOperationQuery(operation: { leftSelect: SQL; setOperator: PgSelectConfig['setOperators'][number] }): SQL;
  buildInsertQuery(config: PgInsertConfig): SQL;
  buildUpdateQuery(config: PgUpdateConfig): SQL;
  buildUpdateSet(table: PgTable, set: Record<string, unknown>): SQL;
  buildDeleteQuery(config: PgDeleteConfig): SQL;
  buildRefreshMaterializedViewQuery(config: unknown): SQL;
  migrate(...migrations: unknown[]): Promise<void>;
  sqlToQuery(query: SQL): Query;
}

/** PgDialect as a base class whose private methods can be called and overridden. */
export const OpenPgDialect = PgDialect as unknown as new (config?: PgDialectConfig) => OpenDialect;

/** PgInsertBase as far as its subclass here overrides it; drizzle's declaration leaves `getSQL` abstract. */
export interface OpenInsert {
  onConflictDoNothing(config?: { target?: IndexColumn | IndexColumn[]; where?: SQL }): this;
  onConflictDoUpdate(config: { target: IndexColumn | IndexColumn[]; set: Record<string, unknown> }): this;
}

export const OpenPgInsert = PgInsertBase as unknown as new (
  table: PgTable,
  values: PgInsertConfig['values'],
  session: PgSession,
  dialect: PgDialect,
  withList?: Subquery[],
  select?: boolean,
  overriding?: boolean,
) => OpenInsert;

/** SQL as far as its lazy subclass here overrides it; drizzle declares `queryChunks` a plain property. */
export interface OpenSqlMembers {
  queryChunks: unknown[];
  readonly shouldInlineParams: boolean;
  append(query: SQL): this;
}

export const OpenSql = SQL as unknown as new (chunks: unknown[]) => OpenSqlMembers;
