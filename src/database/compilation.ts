import { Column, is, isSQLWrapper, Name, Param, Placeholder, SQL, StringChunk, Subquery, Table, View } from 'drizzle-orm';
import { isPgEnum } from 'drizzle-orm/pg-core';
import type { ColumnPlace } from '../crypto/column-codec.ts';
import { NotSupportedError } from '../errors.ts';
import { BlindIndexColumn } from './blind-index-column.ts';
import { BoundValue } from './bound-value.ts';
import { EncryptedRead, isScoped, NullTest, StatementSources, StoredValue, TableChunk, TenantPredicate, TenantValue } from './chunks.ts';
import { ColumnWriter } from './column-writer.ts';
import type { CompiledQuery } from './compiled-query.ts';
import { BlindIndexValue, EncryptedValue, executingTenantId } from './deferred.ts';
import { isAlias, originalNameOf, type Relation, rangeNameOf, schemaOf, subqueryParts } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { encryptedUse, refuseMappedSql } from './encrypted-use.ts';
import { indexComparison, truncatedUse } from './index-comparison.ts';
import { RangeNames } from './range-names.ts';
import { aliasFollows, comparedTenantId, isJsonRow, testedForNull, useOfTable } from './raw-fragment.ts';
import { derivedKindOf } from './scoped-sources.ts';
import { StatementText } from './statement-text.ts';
import { tableKindOf, tenantIdOf } from './table-kind.ts';
import { TruncatedMatch } from './truncated-match.ts';
import { undeclared, unscoped } from './unscoped.ts';

/** What compiling needs of its dialect. */
export interface CompilationOptions {
  /** `raw`: the caller wrote the statement; it runs under the tenant's search_path, so bare table names stay unqualified. */
  readonly mode: 'scoped' | 'raw';
  /** The SQL of a query builder; a stock dialect's builder is built again or refused. */
  readonly sqlOf: (builder: { getSQL(): SQL }) => SQL;
}

/**
 * Turns drizzle's SQL tree into text and parameters. It takes the place of drizzle's own so that there is one gate which every table,
 * parameter and piece of text passes: a table, view or subquery that it can't answer for is refused.
 */
export class Compilation {
  readonly #options: CompilationOptions;
  readonly #text = new StatementText();
  readonly #names = new RangeNames();
  readonly #columns = new ColumnWriter(this.#text, this.#names);
  /** The chunks of the whole statement: rows of no other select are filtered. */
  #outermost: readonly unknown[] = [];

  constructor(options: CompilationOptions) {
    this.#options = options;
  }

  /** @throws {UnscopedQueryError} {@link EncryptedColumnError} {@link NotSupportedError} */
  compile(query: SQL): CompiledQuery {
    this.#outermost = query.queryChunks;
    this.#sql(query, false, this.#outermost);
    return this.#text.compiled();
  }

  #sql(query: SQL, jsonRow = false, chunks: readonly unknown[] = query.queryChunks): void {
    refuseMappedSql(query);
    const inline = (query as unknown as { shouldInlineParams: boolean }).shouldInlineParams;
    if (inline) this.#text.inlined(() => this.#body(chunks, jsonRow));
    else this.#body(chunks, jsonRow);
  }

  #body(chunks: readonly unknown[], jsonRow: boolean): void {
    const comparison = indexComparison(chunks);
    const [first] = chunks;
    if (comparison !== undefined) this.#columns.comparison(comparison);
    else if (first instanceof StatementSources) this.#names.within(first.byName, () => this.#chunks(chunks, false));
    else this.#chunks(chunks, jsonRow);
  }

  #chunks(chunks: readonly unknown[], jsonRow: boolean): void {
    for (let i = 0; i < chunks.length; i += 1) {
      const chunk = chunks[i];
      if (jsonRow && chunk instanceof EncryptedColumn) this.#columns.read(chunk);
      else this.#chunk(chunks, i, chunk);
    }
  }

  #chunk(chunks: readonly unknown[], index: number, chunk: unknown): void {
    if (chunk === undefined || chunk instanceof StatementSources) return;
    if (is(chunk, StringChunk)) this.#text.raw(chunk.value.join(''));
    else if (chunk instanceof TableChunk) this.#tableChunk(chunk);
    else if (chunk instanceof TenantPredicate) this.#predicate(chunk.table);
    else if (chunk instanceof TenantValue) this.#text.param(executingTenantId, chunk.typed ? '::text' : '');
    else if (chunk instanceof StoredValue) this.#value(chunk.param, true);
    else if (chunk instanceof EncryptedRead) this.#columns.field(chunk.column);
    else if (chunk instanceof NullTest) this.#columns.whole(chunk.column);
    else if (chunk instanceof TruncatedMatch) this.#truncatedMatch(chunk);
    else if (is(chunk, Name)) this.#text.name(chunk.value);
    else if (Array.isArray(chunk)) this.#list(chunks, index, chunk);
    else if (is(chunk, SQL)) this.#sql(chunk, isJsonRow(chunks, index));
    else if (is(chunk, Table) || is(chunk, View)) this.#bareTable(chunks, index, chunk);
    else if (is(chunk, Column)) this.#bareColumn(chunks, index, chunk);
    else if (is(chunk, Param)) this.#value(chunk, false);
    else if (is(chunk, SQL.Aliased) && chunk.fieldAlias !== undefined) this.#text.name(chunk.fieldAlias);
    else if (is(chunk, Subquery)) this.#subquery(chunk);
    else if (isPgEnum(chunk)) this.#enum(chunk);
    else if (!is(chunk, Placeholder) && isSQLWrapper(chunk)) this.#builder(chunk as { getSQL(): SQL; shouldOmitSQLParens?(): boolean });
    else this.#bareValue(chunk, comparedTenantId(chunks, index));
  }

  #range(table: Relation): void {
    this.#names.note(rangeNameOf(table), is(table, View) ? 'view' : undefined);
  }

  #qualified(table: Relation): void {
    this.#range(table);
    const schema = schemaOf(table);
    if (schema === undefined) {
      this.#text.tenantSchema();
    } else {
      this.#text.name(schema);
      this.#text.raw('.');
    }
    this.#text.name(originalNameOf(table));
  }

  #tableChunk({ table, filtered }: TableChunk): void {
    if (filtered) return this.#filtered(table, true);
    this.#qualified(table);
    if (isAlias(table)) this.#alias(table);
  }

  #alias(table: Relation): void {
    this.#text.raw(' ');
    this.#text.name(rangeNameOf(table));
  }

  #filtered(table: Relation, named: boolean): void {
    this.#text.raw('(select * from ');
    this.#qualified(table);
    this.#text.raw(' where ');
    this.#text.name(tenantIdOf(table).name);
    this.#text.raw(' = ');
    this.#text.param(executingTenantId);
    this.#text.raw(')');
    if (named) this.#alias(table);
  }

  #predicate(table: Relation): void {
    this.#text.name(rangeNameOf(table));
    this.#text.raw('.');
    this.#text.name(tenantIdOf(table).name);
    this.#text.raw(' = ');
    this.#text.param(executingTenantId);
  }

  #bareTable(chunks: readonly unknown[], index: number, table: Relation): void {
    const kind = tableKindOf(table);
    if (kind === undefined) throw undeclared(table);
    const use = useOfTable(this.#text.tail);
    if (use === 'write' && this.#options.mode === 'scoped') {
      throw new NotSupportedError(`A fragment of SQL writes to ${rangeNameOf(table)}.`, {
        hint: 'Use db.insert, db.update or db.delete, or a whole statement with tenancy.sql.',
      });
    }
    if (use === 'read' && kind === 'tenant' && this.#options.mode === 'scoped') return this.#filtered(table, !aliasFollows(chunks, index));
    this.#range(table);
    const schema = schemaOf(table);
    if (schema !== undefined && (use !== 'mention' || !isAlias(table))) {
      this.#text.name(schema);
      this.#text.raw('.');
    }
    this.#text.name(use === 'mention' ? rangeNameOf(table) : originalNameOf(table));
    if (use !== 'mention' && isAlias(table)) this.#alias(table);
  }

  #bareColumn(chunks: readonly unknown[], index: number, column: Column): void {
    if (!(column instanceof EncryptedColumn)) return this.#columns.column(column);
    if (!testedForNull(chunks, index)) throw encryptedUse(column, 'be used in SQL: the database sees ciphertext only');
    this.#columns.whole(column);
  }

  #truncatedMatch({ comparison, fromEnd, owner }: TruncatedMatch): void {
    const { column } = comparison;
    if (owner !== this.#outermost || this.#options.mode === 'raw') throw truncatedUse(column);
    const first = this.#text.paramCount;
    this.#columns.comparison(comparison, true);
    const params = Array.from({ length: this.#text.paramCount - first }, (_, i) => first + i);
    this.#text.filterRows({ column, fromEnd, params });
  }

  #list(chunks: readonly unknown[], index: number, list: readonly unknown[]): void {
    const tenantId = comparedTenantId(chunks, index);
    this.#text.raw('(');
    list.forEach((element, i) => {
      if (i > 0) this.#text.raw(', ');
      if (tenantId !== undefined && (is(element, Placeholder) || !isSQLWrapper(element))) this.#bareValue(element, tenantId);
      else this.#chunk([element], 0, element);
    });
    this.#text.raw(')');
  }

  #subquery(subquery: Subquery): void {
    const { sql, alias, isWith } = subqueryParts(subquery);
    if (!isWith) {
      if (!isScoped(sql))
        throw unscoped(`The subquery "${alias}"`, 'Build it with tenancy.db, not with a QueryBuilder of its own or raw SQL.');
      this.#text.raw('(');
      this.#sql(sql);
      this.#text.raw(') ');
    }
    this.#names.note(alias, derivedKindOf(subquery));
    this.#text.name(alias);
  }

  #enum(type: { readonly enumName: string; readonly schema: string | undefined }): void {
    if (type.schema !== undefined) {
      this.#text.name(type.schema);
      this.#text.raw('.');
    } else if (this.#options.mode === 'scoped') {
      this.#text.tenantSchema();
    }
    this.#text.name(type.enumName);
  }

  #builder(builder: { getSQL(): SQL; shouldOmitSQLParens?(): boolean }): void {
    const query = this.#options.sqlOf(builder);
    if (builder.shouldOmitSQLParens?.() === true) return this.#sql(query);
    this.#text.raw('(');
    this.#sql(query);
    this.#text.raw(')');
  }

  #bareValue(value: unknown, tenantId: Column | undefined): void {
    if (tenantId === undefined) this.#text.param(value);
    else this.#value(new Param(value, tenantId), false);
  }

  #value(param: Param, stored: boolean): void {
    const { value, encoder } = param;
    if (is(value, Placeholder) || (value instanceof BoundValue && value.open)) {
      if (encoder instanceof EncryptedColumn || encoder instanceof BlindIndexColumn) this.#encryptedValue(encoder, stored);
      return this.#text.param(param);
    }
    const mapped: unknown = value === null ? null : encoder.mapToDriverValue(value);
    if (is(mapped, SQL)) return this.#sql(mapped);
    if (mapped instanceof EncryptedValue) this.#encryptedValue(mapped.place, stored);
    if (mapped instanceof BlindIndexValue) this.#encryptedValue(mapped.definition, stored);
    this.#text.param(mapped);
  }

  #encryptedValue(of: EncryptedColumn | BlindIndexColumn | ColumnPlace, stored: boolean): void {
    if (!stored)
      throw encryptedUse(of instanceof BlindIndexColumn ? of.index.definition : of, 'be compared: equal values encrypt differently');
    this.#text.touchEncrypted();
  }
}
