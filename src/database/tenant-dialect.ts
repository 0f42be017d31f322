import { entityKind, is, type Param, type Query, SQL, StringChunk, sql } from 'drizzle-orm';
import {
  type PgDeleteConfig,
  type PgDialect,
  type PgInsertConfig,
  type PgSelectConfig,
  PgSelectQueryBuilderBase,
  type PgTable,
  type PgUpdateConfig,
} from 'drizzle-orm/pg-core';
import { NotSupportedError } from '../errors.ts';
import { refuseOtherId } from './bound-values.ts';
import { EncryptedRead, markScoped, TableChunk, TenantPredicate } from './chunks.ts';
import { withSetCompanions, withUpdateCompanions } from './companion-values.ts';
import { Compilation } from './compilation.ts';
import type { CompiledQuery } from './compiled-query.ts';
import { columnsOf, defaultsOf, OpenPgDialect, rangeNameOf } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { refuseEncryptedExpression, refuseEncryptedFields, refuseOtherReads, withNullTests } from './encrypted-use.ts';
import { withoutHiddenColumns } from './hidden-column.ts';
import { generatedValue, insertSelection, insertValues, storedValue } from './scoped-insert.ts';
import { checkCtes, conjunction, scopeSources, statementSources } from './scoped-sources.ts';
import { filteredSelect } from './truncated-match.ts';
import { unscoped } from './unscoped.ts';
import { requireWritable } from './write-target.ts';

type Selection = Parameters<InstanceType<typeof OpenPgDialect>['buildSelection']>[0];
type SetOperator = PgSelectConfig['setOperators'][number];

/**
 * drizzle's PostgreSQL dialect with `tenant_id = <executing tenant>` for every tenant table that a statement reads or writes. It has no
 * state and knows no tenant: ids and keys are deferred parameters, schemas are left open.
 */
export class TenantDialect extends OpenPgDialect {
  static readonly [entityKind]: string = 'TenancyDialect';

  override buildSelectQuery(given: PgSelectConfig): SQL {
    const filtered = filteredSelect(given);
    const config = filtered?.config ?? given;
    checkCtes(config.withList);
    if (config.distinct === true) refuseEncryptedFields(config.fields, 'be selected distinct: equal values encrypt differently');
    const { base, joins, predicates } = scopeSources(config.table, config.joins);
    const select = super.buildSelectQuery({
      ...config,
      ...(joins && { joins }),
      ...whereOf(conjunction(predicates, config.where)),
      setOperators: [],
    });
    if (base !== undefined) replaceAfter(select, ' from ', base);
    for (const match of filtered?.matches ?? []) match.owner = select.queryChunks;
    lead(select, [config.table, ...(config.joins ?? []).map(({ table }) => table)]);
    if (config.setOperators.length === 0) return markScoped(select);
    if (config.setOperators.some(({ type, isAll }) => type !== 'union' || !isAll))
      refuseEncryptedFields(config.fields, 'be compared by a set operation');
    for (const { rightSelect } of config.setOperators)
      refuseOtherReads(config.fields, (rightSelect as unknown as { config: PgSelectConfig }).config.fields);
    return markScoped(this.buildSetOperations(select, config.setOperators));
  }

  override buildSetOperationQuery({ leftSelect, setOperator }: { leftSelect: SQL; setOperator: SetOperator }): SQL {
    refuseEncryptedFields(
      [...(setOperator.orderBy ?? [])].find((order) => order instanceof EncryptedColumn),
      'be sorted by',
    );
    const right = this.sqlOf(setOperator.rightSelect as never);
    return super.buildSetOperationQuery({ leftSelect, setOperator: { ...setOperator, rightSelect: { getSQL: () => right } as never } });
  }

  override buildUpdateQuery(config: PgUpdateConfig): SQL {
    checkCtes(config.withList);
    requireWritable('update', config.table);
    const { base, joins, predicates } = scopeSources(config.from, config.joins);
    const query = super.buildUpdateQuery({
      ...config,
      set: withUpdateCompanions(config.table, config.set, config.where) as PgUpdateConfig['set'],
      ...(base && { from: new SQL([base as never]) }),
      joins: joins ?? [],
      ...whereOf(conjunction([new TenantPredicate(config.table), ...predicates], config.where)),
    });
    replaceAfter(query, 'update ', new TableChunk(config.table));
    lead(query, [config.table, config.from, ...config.joins.map(({ table }) => table)]);
    return markScoped(query);
  }

  override buildUpdateSet(table: PgTable, set: Record<string, unknown>): SQL {
    refuseOtherId(table, set);
    const values = withSetCompanions(table, set);
    const assignments = Object.entries(columnsOf(table)).flatMap(([key, column]) => {
      const given = values[key];
      const { onUpdateFn } = defaultsOf(column);
      if (given === undefined && onUpdateFn === undefined) return [];
      const value = given === undefined || given === null ? generatedValue(column, onUpdateFn?.()) : storedValue(column, given);
      return [sql`${sql.identifier(column.name)} = ${value}`];
    });
    return sql.join(assignments, sql.raw(', '));
  }

  override buildDeleteQuery(config: PgDeleteConfig): SQL {
    checkCtes(config.withList);
    requireWritable('delete', config.table);
    const query = super.buildDeleteQuery({ ...config, ...whereOf(conjunction([new TenantPredicate(config.table)], config.where)) });
    replaceAfter(query, 'delete from ', new TableChunk(config.table));
    lead(query, [config.table]);
    return markScoped(query);
  }

  override buildInsertQuery({ table, values, onConflict, returning, withList, select, overridingSystemValue_ }: PgInsertConfig): SQL {
    checkCtes(withList);
    requireWritable('insert', table);
    const { columns, source } = select === true ? this.#insertSelect(table, values) : this.#insertValues(table, values);
    const withSql = this.buildWithCTE(withList);
    const overriding = overridingSystemValue_ === true ? sql`overriding system value ` : undefined;
    const onConflictSql = onConflict && sql` on conflict ${onConflict}`;
    const returningSql = returning && sql` returning ${this.buildSelection(returning as Selection, { isSingleTable: true })}`;
    const target = new TableChunk(table);
    const query = sql`${withSql}insert into ${target} ${columns.map((name) => sql.identifier(name))} ${overriding}${source}${onConflictSql}${returningSql}`;
    lead(query, [table]);
    return markScoped(query);
  }

  #insertValues(table: PgTable, values: PgInsertConfig['values']): { readonly columns: string[]; readonly source: SQL } {
    const { columns, values: source } = insertValues(table, values as Record<string, Param | SQL>[]);
    return { columns, source };
  }

  #insertSelect(table: PgTable, select: PgInsertConfig['values']): { readonly columns: string[]; readonly source: SQL } {
    if (!is(select, PgSelectQueryBuilderBase)) {
      throw new NotSupportedError(`insert into ${rangeNameOf(table)} from a raw select can't be given its tenant.`, {
        hint: 'Build the select with tenancy.db.select() or the callback’s query builder.',
      });
    }
    const { columns, config } = insertSelection(table, (select as unknown as { config: PgSelectConfig }).config);
    return { columns, source: this.buildSelectQuery(config) };
  }

  /** Encrypted fields become reads that the row mapper decrypts; anywhere else in a selection they are refused. What stands beside them is left out. */
  override buildSelection(fields: Selection, options: { readonly isSingleTable?: boolean } = {}): SQL {
    return super.buildSelection(
      withoutHiddenColumns(fields).map(({ path, field }) => {
        if (field instanceof EncryptedColumn) return { path, field: new SQL([new EncryptedRead(field as EncryptedColumn) as never]) };
        const expression = is(field, SQL.Aliased) ? field.sql : field;
        if (!is(expression, SQL)) return { path, field };
        refuseEncryptedExpression(expression);
        if (options.isSingleTable !== true || !expression.queryChunks.some((chunk) => chunk instanceof EncryptedColumn))
          return { path, field };
        const tests = withNullTests(expression);
        return { path, field: is(field, SQL.Aliased) ? new SQL.Aliased(tests, field.fieldAlias) : tests };
      }),
      options,
    );
  }

  override buildRefreshMaterializedViewQuery(): SQL {
    throw new NotSupportedError('A materialized view is not refreshed by a tenant’s service.', {
      hint: 'It belongs to the owner: refresh it in a migration.',
    });
  }

  override async migrate(): Promise<void> {
    throw new NotSupportedError('Migrations do not run as a service.', { hint: 'Use control.migrate() or tenancy migrate.' });
  }

  override sqlToQuery(query: SQL): CompiledQuery & Query {
    return new Compilation({ mode: 'scoped', sqlOf: (builder) => this.sqlOf(builder) }).compile(query);
  }

  /** Compiles a statement that the caller wrote; it runs under the tenant's search_path. */
  rawToQuery(query: SQL): CompiledQuery {
    return new Compilation({ mode: 'raw', sqlOf: (builder) => this.sqlOf(builder) }).compile(query);
  }

  /**
   * The SQL of a builder, built by this dialect: a select of a standalone QueryBuilder is built again from its configuration.
   *
   * @throws {UnscopedQueryError} on any other builder of a stock dialect
   */
  sqlOf(builder: { getSQL(): SQL }): SQL {
    const { dialect, config } = builder as unknown as { dialect?: unknown; config?: PgSelectConfig };
    if (config !== undefined && (is(builder, PgSelectQueryBuilderBase) || !('getSQL' in builder))) return this.buildSelectQuery(config);
    if (dialect !== undefined && !(dialect instanceof TenantDialect))
      throw unscoped('A query of another database object', 'Build it with tenancy.db.');
    return builder.getSQL();
  }

  /** The SQL of a CTE's body. Raw SQL is taken as well: the compiler filters every table in it, as it does in any fragment. */
  cteOf(query: { getSQL(): SQL }): SQL {
    return markScoped(is(query, SQL) ? sql`${query}` : this.sqlOf(query));
  }

  /** The dialect as drizzle's constructors are typed to take it. */
  get asPgDialect(): PgDialect {
    return this as unknown as PgDialect;
  }
}

/** Says ahead of a statement what it reads from. */
function lead(query: SQL, sources: Parameters<typeof statementSources>[0]): void {
  (query.queryChunks as unknown[]).unshift(statementSources(sources));
}

function whereOf(where: SQL | undefined): { readonly where?: SQL } {
  return where === undefined ? {} : { where };
}

/** Puts a chunk of ours where drizzle put the table's bare name. Should drizzle word its statements otherwise one day, this refuses. */
function replaceAfter(query: SQL, text: string, chunk: TableChunk): void {
  const chunks = query.queryChunks as unknown[];
  const index = chunks.findIndex((candidate) => is(candidate, StringChunk) && candidate.value.join('') === text);
  if (index < 0)
    throw unscoped(
      `A statement without "${text.trim()}"`,
      'This drizzle-orm version is not one that the library knows: install one of its peer range.',
    );
  chunks[index + 1] = chunk;
}
