import { Column, is, isSQLWrapper, Name, Param, Placeholder, SQL, StringChunk, Subquery, Table, View } from 'drizzle-orm';
import { isPgEnum } from 'drizzle-orm/pg-core';
import type { ColumnPlace } from '../crypto/column-codec.ts';
import { NotSupportedError } from '../errors.ts';
import { BlindIndexColumn } from './blind-index-column.ts';
import { BoundValue } from './bound-value.ts';
import {
  type DerivedKind,
  EncryptedRead,
  isScoped,
  NullTest,
  StatementSources,
  StoredValue,
  TableChunk,
  TenantPredicate,
  TenantValue,
} from './chunks.ts';
import type { ColumnIndex } from './column-index.ts';
import { CompiledQuery } from './compiled-query.ts';
import { BlindIndexValue, EncryptedValue, executingTenantId } from './deferred.ts';
import { isAlias, originalNameOf, type Relation, rangeNameOf, schemaOf, subqueryParts } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { encryptedUse, refuseMappedSql, refuseThroughView } from './encrypted-use.ts';
import {
  type IndexComparison,
  indexComparison,
  requireExactValues,
  requireIndex,
  requireSharedIndex,
  truncatedUse,
} from './index-comparison.ts';
import { inlineLiteral } from './inline-literal.ts';
import { aliasFollows, comparedTenantId, isJsonRow, testedForNull, useOfTable } from './raw-fragment.ts';
import { derivedKindOf } from './scoped-sources.ts';
import { tableKindOf, tenantIdOf } from './table-kind.ts';
import { type RowFilter, TruncatedMatch } from './truncated-match.ts';
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
  readonly #segments: string[] = [];
  readonly #params: unknown[] = [];
  #text = '';
  #inline = 0;
  /** The tenant's id is one parameter, however often it stands in the text. */
  #tenantIdAt = 0;
  #touchesEncrypted = false;
  readonly #rowFilters: RowFilter[] = [];
  /** The chunks of the whole statement: rows of no other select are filtered. */
  #outermost: readonly unknown[] = [];
  /** Subqueries, CTEs and views, by the names that the statement knows them by: they have no hidden columns. */
  #derived = new Map<string, DerivedKind>();

  constructor(options: CompilationOptions) {
    this.#options = options;
  }

  /** @throws {UnscopedQueryError} {@link EncryptedColumnError} {@link NotSupportedError} */
  compile(query: SQL): CompiledQuery {
    this.#outermost = query.queryChunks;
    this.#sql(query, false, this.#outermost);
    return new CompiledQuery([...this.#segments, this.#text], this.#params, this.#touchesEncrypted, this.#rowFilters);
  }

  #sql(query: SQL, jsonRow = false, chunks: readonly unknown[] = query.queryChunks): void {
    refuseMappedSql(query);
    const inline = (query as unknown as { shouldInlineParams: boolean }).shouldInlineParams;
    if (inline) this.#inline += 1;
    const comparison = indexComparison(chunks);
    if (comparison !== undefined) this.#comparison(comparison);
    else if (chunks[0] instanceof StatementSources) this.#statement(chunks[0], chunks);
    else this.#chunks(chunks, jsonRow);
    if (inline) this.#inline -= 1;
  }

  /** Its names are its own: what they stand for around it counts again behind it. */
  #statement({ byName }: StatementSources, chunks: readonly unknown[]): void {
    const outer = this.#derived;
    this.#derived = new Map(outer);
    for (const [name, kind] of byName) this.#named(name, kind);
    this.#chunks(chunks, false);
    this.#derived = outer;
  }

  #named(name: string, kind: DerivedKind | undefined): void {
    if (kind === undefined) this.#derived.delete(name);
    else this.#derived.set(name, kind);
  }

  #chunks(chunks: readonly unknown[], jsonRow: boolean): void {
    for (let i = 0; i < chunks.length; i += 1) {
      const chunk = chunks[i];
      if (jsonRow && chunk instanceof EncryptedColumn) this.#encryptedRead(chunk);
      else this.#chunk(chunks, i, chunk);
    }
  }

  #chunk(chunks: readonly unknown[], index: number, chunk: unknown): void {
    if (chunk === undefined || chunk instanceof StatementSources) return;
    if (is(chunk, StringChunk)) this.#raw(chunk.value.join(''));
    else if (chunk instanceof TableChunk) this.#tableChunk(chunk);
    else if (chunk instanceof TenantPredicate) this.#predicate(chunk.table);
    else if (chunk instanceof TenantValue) this.#param(executingTenantId, chunk.typed ? '::text' : '');
    else if (chunk instanceof StoredValue) this.#value(chunk.param, true);
    else if (chunk instanceof EncryptedRead) this.#fieldRead(chunk);
    else if (chunk instanceof NullTest) this.#encrypted(chunk.column);
    else if (chunk instanceof TruncatedMatch) this.#truncatedMatch(chunk);
    else if (is(chunk, Name)) this.#name(chunk.value);
    else if (Array.isArray(chunk)) this.#list(chunks, index, chunk);
    else if (is(chunk, SQL)) this.#sql(chunk, isJsonRow(chunks, index));
    else if (is(chunk, Table) || is(chunk, View)) this.#bareTable(chunks, index, chunk);
    else if (is(chunk, Column)) this.#bareColumn(chunks, index, chunk);
    else if (is(chunk, Param)) this.#value(chunk, false);
    else if (is(chunk, SQL.Aliased) && chunk.fieldAlias !== undefined) this.#name(chunk.fieldAlias);
    else if (is(chunk, Subquery)) this.#subquery(chunk);
    else if (isPgEnum(chunk)) this.#enum(chunk);
    else if (!is(chunk, Placeholder) && isSQLWrapper(chunk)) this.#builder(chunk as { getSQL(): SQL; shouldOmitSQLParens?(): boolean });
    else this.#bareValue(chunk, comparedTenantId(chunks, index));
  }

  #raw(text: string): void {
    // PostgreSQL's protocol ends a statement at a NUL; what follows would be read as another message.
    if (text.includes('\0')) throw new NotSupportedError('The SQL text holds a NUL character.', { hint: 'Pass values as parameters.' });
    this.#text += text;
  }

  #name(name: string): void {
    this.#raw(quoted(name));
  }

  /** Leaves the tenant's schema open; it is filled in when the statement runs. */
  #tenantSchema(): void {
    this.#segments.push(this.#text);
    this.#text = '';
  }

  /** Inside a relational query's join its table goes by the name that the join has outside: the last one counts. */
  #range(table: Relation): void {
    this.#named(rangeNameOf(table), is(table, View) ? 'view' : undefined);
  }

  #qualified(table: Relation): void {
    this.#range(table);
    const schema = schemaOf(table);
    if (schema === undefined) {
      this.#tenantSchema();
    } else {
      this.#name(schema);
      this.#text += '.';
    }
    this.#name(originalNameOf(table));
  }

  #tableChunk({ table, filtered }: TableChunk): void {
    if (filtered) return this.#filtered(table, true);
    this.#qualified(table);
    if (isAlias(table)) this.#alias(table);
  }

  #alias(table: Relation): void {
    this.#text += ' ';
    this.#name(rangeNameOf(table));
  }

  #filtered(table: Relation, named: boolean): void {
    this.#text += '(select * from ';
    this.#qualified(table);
    this.#text += ' where ';
    this.#name(tenantIdOf(table).name);
    this.#text += ' = ';
    this.#param(executingTenantId);
    this.#text += ')';
    if (named) this.#alias(table);
  }

  #predicate(table: Relation): void {
    this.#name(rangeNameOf(table));
    this.#text += '.';
    this.#name(tenantIdOf(table).name);
    this.#text += ' = ';
    this.#param(executingTenantId);
  }

  #bareTable(chunks: readonly unknown[], index: number, table: Relation): void {
    const kind = tableKindOf(table);
    if (kind === undefined) throw undeclared(table);
    const use = useOfTable(this.#text);
    if (use === 'write' && this.#options.mode === 'scoped') {
      throw new NotSupportedError(`A fragment of SQL writes to ${rangeNameOf(table)}.`, {
        hint: 'Use db.insert, db.update or db.delete, or a whole statement with tenancy.sql.',
      });
    }
    if (use === 'read' && kind === 'tenant' && this.#options.mode === 'scoped') return this.#filtered(table, !aliasFollows(chunks, index));
    this.#range(table);
    const schema = schemaOf(table);
    if (schema !== undefined && (use !== 'mention' || !isAlias(table))) {
      this.#name(schema);
      this.#text += '.';
    }
    this.#name(use === 'mention' ? rangeNameOf(table) : originalNameOf(table));
    if (use !== 'mention' && isAlias(table)) this.#alias(table);
  }

  #bareColumn(chunks: readonly unknown[], index: number, column: Column): void {
    if (!(column instanceof EncryptedColumn)) return this.#column(column);
    if (!testedForNull(chunks, index)) throw encryptedUse(column, 'be used in SQL: the database sees ciphertext only');
    this.#encrypted(column);
  }

  /** As a field it keeps its name: a subquery's columns are known by their names. */
  #fieldRead({ column }: EncryptedRead): void {
    if (this.#encryptedRead(column)) {
      this.#text += ' as ';
      this.#name(column.name);
    }
  }

  #encryptedRead(column: EncryptedColumn): boolean {
    this.#touchesEncrypted = true;
    return this.#encrypted(column);
  }

  /** A subquery has made of a column already what the row mapper takes. @returns whether more stands there than the column */
  #encrypted(column: EncryptedColumn): boolean {
    const from = this.#derived.get(rangeNameOf(column.table));
    if (from === 'view') refuseThroughView(column);
    const sql = from === undefined ? column.readSql((name) => this.#columnText(column as unknown as Column, name)) : undefined;
    if (sql === undefined) this.#column(column as unknown as Column);
    else this.#raw(sql);
    return sql !== undefined;
  }

  #column(column: Column, name = column.name): void {
    this.#raw(this.#columnText(column, name));
  }

  #columnText(column: Column, name: string): string {
    const { table } = column;
    const schema = schemaOf(table);
    const parts = [rangeNameOf(table), name];
    if (schema !== undefined && !isAlias(table)) parts.unshift(schema);
    return parts.map(quoted).join('.');
  }

  /** In parentheses: whatever stands around it, tags are compared with tags. */
  #comparison({ column, operator, right }: IndexComparison, filtered = false): void {
    const index = requireIndex(column);
    if (index.truncated && !filtered) throw truncatedUse(column);
    this.#text += '(';
    this.#tags(column, index);
    this.#text += operator;
    if (right instanceof EncryptedColumn) {
      requireSharedIndex(column, right);
      this.#tags(right, requireIndex(right));
    } else this.#operand(column, right, (value) => this.#tag(value, column, index));
    if (column.adoption !== undefined) {
      requireExactValues(column, operator, right);
      this.#orPlaintext(column, column.adoption.column, operator, right);
    }
    this.#text += ')';
  }

  /**
   * A row whose value is plaintext yet may have no tag, or one of before a release that knows no tags wrote it. Each of the two is false, and
   * not NULL, in rows of the other kind: `not` finds what equality does not.
   */
  #orPlaintext(column: EncryptedColumn, plaintext: string, operator: string, right: unknown): void {
    const name = this.#columnText(column as unknown as Column, plaintext);
    this.#raw(` and ${name} is null or ${name} is not null and ${name}${operator}`);
    this.#operand(column, right, (value) => this.#plaintext(value, column));
  }

  #operand(column: EncryptedColumn, right: unknown, write: (value: unknown) => void): void {
    if (!Array.isArray(right)) return write(right);
    if (right.length === 0) throw encryptedUse(column, 'be looked for in an empty list');
    right.forEach((value, i) => {
      this.#text += i === 0 ? '(' : ', ';
      write(value);
    });
    this.#text += ')';
  }

  #plaintext(given: unknown, column: EncryptedColumn): void {
    const encoder = { mapToDriverValue: (value: unknown) => column.toPlainDriverValue(value) };
    const value: unknown = is(given, Param) ? given.value : given;
    if (is(value, Placeholder)) this.#param(new Param(value, encoder));
    else this.#param(value === null ? null : encoder.mapToDriverValue(value));
  }

  #truncatedMatch({ comparison, fromEnd, owner }: TruncatedMatch): void {
    const { column } = comparison;
    if (owner !== this.#outermost || this.#options.mode === 'raw') throw truncatedUse(column);
    const first = this.#params.length;
    this.#comparison(comparison, true);
    const params = Array.from({ length: this.#params.length - first }, (_, i) => first + i);
    this.#rowFilters.push({ column, fromEnd, params });
  }

  #tags(column: EncryptedColumn, { columnName }: ColumnIndex): void {
    if (this.#derived.has(rangeNameOf(column.table)))
      throw encryptedUse(column, 'be compared through a subquery or a view', 'Compare it inside, where its table is selected from.');
    this.#column(column as unknown as Column, columnName);
  }

  #tag(given: unknown, column: EncryptedColumn, index: ColumnIndex): void {
    const param = is(given, Placeholder) ? new Param(given, index) : given;
    if (!is(param, Param)) throw encryptedUse(column, 'be compared with SQL: the database has no key');
    const { value } = param;
    const encoder = param.encoder instanceof EncryptedColumn ? index : param.encoder;
    if (is(value, Placeholder)) {
      this.#touchesEncrypted = true;
      return this.#param(new Param(value, index));
    }
    const tag: unknown = value === null ? null : encoder.mapToDriverValue(value);
    if (tag !== null && !(tag instanceof BlindIndexValue)) throw encryptedUse(column, 'be compared with a value of another type');
    if (tag !== null) this.#touchesEncrypted = true;
    this.#param(tag);
  }

  #list(chunks: readonly unknown[], index: number, list: readonly unknown[]): void {
    const tenantId = comparedTenantId(chunks, index);
    this.#text += '(';
    list.forEach((element, i) => {
      if (i > 0) this.#text += ', ';
      if (tenantId !== undefined && (is(element, Placeholder) || !isSQLWrapper(element))) this.#bareValue(element, tenantId);
      else this.#chunk([element], 0, element);
    });
    this.#text += ')';
  }

  #subquery(subquery: Subquery): void {
    const { sql, alias, isWith } = subqueryParts(subquery);
    if (!isWith) {
      if (!isScoped(sql))
        throw unscoped(`The subquery "${alias}"`, 'Build it with tenancy.db, not with a QueryBuilder of its own or raw SQL.');
      this.#text += '(';
      this.#sql(sql);
      this.#text += ') ';
    }
    this.#named(alias, derivedKindOf(subquery));
    this.#name(alias);
  }

  #enum(type: { readonly enumName: string; readonly schema: string | undefined }): void {
    if (type.schema !== undefined) {
      this.#name(type.schema);
      this.#text += '.';
    } else if (this.#options.mode === 'scoped') {
      this.#tenantSchema();
    }
    this.#name(type.enumName);
  }

  #builder(builder: { getSQL(): SQL; shouldOmitSQLParens?(): boolean }): void {
    const query = this.#options.sqlOf(builder);
    if (builder.shouldOmitSQLParens?.() === true) return this.#sql(query);
    this.#text += '(';
    this.#sql(query);
    this.#text += ')';
  }

  #bareValue(value: unknown, tenantId: Column | undefined): void {
    if (tenantId === undefined) this.#param(value);
    else this.#value(new Param(value, tenantId), false);
  }

  #value(param: Param, stored: boolean): void {
    const { value, encoder } = param;
    if (is(value, Placeholder) || (value instanceof BoundValue && value.open)) {
      if (encoder instanceof EncryptedColumn || encoder instanceof BlindIndexColumn) this.#encryptedValue(encoder, stored);
      return this.#param(param);
    }
    const mapped: unknown = value === null ? null : encoder.mapToDriverValue(value);
    if (is(mapped, SQL)) return this.#sql(mapped);
    if (mapped instanceof EncryptedValue) this.#encryptedValue(mapped.place, stored);
    if (mapped instanceof BlindIndexValue) this.#encryptedValue(mapped.definition, stored);
    this.#param(mapped);
  }

  #encryptedValue(of: EncryptedColumn | BlindIndexColumn | ColumnPlace, stored: boolean): void {
    if (!stored)
      throw encryptedUse(of instanceof BlindIndexColumn ? of.index.definition : of, 'be compared: equal values encrypt differently');
    this.#touchesEncrypted = true;
  }

  #param(value: unknown, cast = ''): void {
    if (this.#inline > 0) {
      this.#raw(inlineLiteral(value));
    } else if (value === executingTenantId && this.#tenantIdAt > 0) {
      this.#text += `$${this.#tenantIdAt}${cast}`;
    } else {
      this.#params.push(value);
      if (value === executingTenantId) this.#tenantIdAt = this.#params.length;
      this.#text += `$${this.#params.length}${cast}`;
    }
  }
}

/** Whatever the name: an alias may be longer than PostgreSQL's names, which cuts it off. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
