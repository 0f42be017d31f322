import {
  type Column,
  type DriverValueEncoder,
  is,
  type Name,
  noopDecoder,
  type Param,
  type SQL,
  type StringChunk,
  type Subquery,
  Table,
} from 'drizzle-orm';
import { isPgEnum, type PgTable } from 'drizzle-orm/pg-core';
import { chunkKind, chunkKindOf } from './chunk-kind.ts';
import type { StoredValue, TableChunk } from './chunks.ts';
import { identityOf, isAlias, originalNameOf, type Relation, rangeNameOf, subqueryParts } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { insertableColumns } from './generated-values.ts';
import { type IndexComparison, indexComparison } from './index-comparison.ts';
import type { LazySql, StatementConfig, StatementKind } from './lazy-sql.ts';
import { type Ingredient, ingredient, type Token, token } from './shape-key.ts';
import type { ShapeNode, ShapeTrie } from './shape-trie.ts';

/** Thrown, and caught by the cache, where a statement has a part that is not for it. */
export const notCached = Symbol('not cached');

/** Where a statement holds a value that is not in its key. */
export interface ValuePlace {
  /** The parameter, or whatever holds a bare value. */
  readonly holder: object;
  /** Where in the holder; undefined for a parameter. */
  readonly at: PropertyKey | undefined;
}

/** Longer statements differ in length each time; they would fill the trie and hit nothing. */
const maxValues = 1_024;

type Held = Record<PropertyKey, unknown>;
type Joins = readonly { readonly joinType: string; readonly lateral?: boolean; readonly alias?: string; readonly table: unknown }[];

/**
 * Walks a statement's configuration along the trie: everything that the dialect's text depends on is a step, every value is collected. The
 * dialect is a function of the configuration, so statements that end at the same node have the same text. What is not known here ends
 * the walk.
 */
export class ShapeWalk {
  /** The values met, encoded, in order; the first {@link count} are this walk's. */
  readonly values: unknown[] = [];
  count = 0;
  /** Set while the walk is to note where the values stand. */
  places: ValuePlace[] | undefined;
  #trie!: ShapeTrie;
  #node!: ShapeNode;

  /** @throws {@link notCached}, and whatever an encoder throws */
  walk(trie: ShapeTrie, kind: StatementKind, config: StatementConfig): ShapeNode {
    this.#trie = trie;
    this.#node = trie.root;
    this.count = 0;
    this.step(ingredient.kind, kind);
    this.#clauses(config);
    return this.#node;
  }

  /** Lets go of the values. */
  release(): void {
    for (let i = 0; i < this.count; i += 1) this.values[i] = undefined;
    this.count = 0;
  }

  protected step(_of: Ingredient, part: Token): void {
    this.#node = this.#trie.follow(this.#node, part);
  }

  #clauses(config: StatementConfig): void {
    for (const clause in config) {
      const value = config[clause];
      if (value === undefined) continue;
      this.step(ingredient.clause, clause);
      this.#clause(config, clause, value as never);
    }
    this.step(ingredient.clause, token.end);
  }

  #clause(config: StatementConfig, clause: string, value: never): void {
    switch (clause) {
      case 'table':
        return this.#expression(config, clause);
      case 'fields':
        return this.#fields(value);
      case 'fieldsFlat':
      case 'returning':
        return this.#flatFields(value);
      case 'where':
      case 'having':
      case 'onConflict':
        return this.#expression(config, clause);
      case 'joins':
        return this.#joins(value);
      case 'orderBy':
      case 'groupBy':
        return this.#chunks(value, ingredient.listLength);
      case 'limit':
        return this.#limit(config, value);
      case 'offset':
        return value ? this.#chunk(config, clause) : this.step(ingredient.limit, token.no);
      case 'distinct':
        return this.#distinct(value);
      case 'lockingClause':
        return this.#lock(value);
      case 'withList':
        return this.#ctes(value);
      case 'set':
        return this.#set(value);
      case 'values':
        return this.#rows(config['table'] as PgTable, value);
      case 'overridingSystemValue_':
        return this.step(ingredient.distinct, value === true ? token.yes : token.no);
      case 'select':
        return this.#only(value === false);
      case 'setOperators':
        return this.#only((value as readonly unknown[]).length === 0);
      case 'returningFields':
        // drizzle keeps them beside `returning`, which is what is built.
        return;
      default:
        throw notCached;
    }
  }

  #only(condition: boolean): void {
    if (!condition) throw notCached;
  }

  /** An expression where the dialect asks whether there is one: a bare value could be one that counts as none. */
  #expression(holder: object, at: string): void {
    const value = (holder as Held)[at];
    if (typeof value !== 'object' || value === null || chunkKindOf(value) >= chunkKind.value) throw notCached;
    this.#chunk(holder, at);
  }

  #fields(fields: Record<string, unknown>): void {
    for (const key in fields) {
      this.step(ingredient.fieldKey, key);
      this.#field(fields[key]);
    }
    this.step(ingredient.fieldShape, token.end);
  }

  #flatFields(fields: readonly { readonly path: readonly string[]; readonly field: unknown }[]): void {
    this.step(ingredient.fieldShape, fields.length);
    for (let i = 0; i < fields.length; i += 1) {
      const { path, field } = fields[i]!;
      this.step(ingredient.fieldShape, path.length);
      for (let j = 0; j < path.length; j += 1) this.step(ingredient.fieldKey, path[j]!);
      this.#field(field);
    }
  }

  #field(field: unknown): void {
    if (typeof field !== 'object' || field === null) throw notCached;
    switch (chunkKindOf(field)) {
      case chunkKind.column:
        return this.#column(field as Column);
      case chunkKind.sql:
        this.step(ingredient.chunkKind, token.sql);
        return this.#fieldExpression(field as SQL);
      case chunkKind.aliased: {
        const { sql, fieldAlias, isSelectionField } = field as unknown as { sql: SQL; fieldAlias: string; isSelectionField: boolean };
        this.#only(chunkKindOf(sql) === chunkKind.sql && fieldAlias !== undefined);
        this.step(ingredient.chunkKind, token.aliased);
        this.step(ingredient.fieldAlias, fieldAlias);
        this.step(ingredient.fieldShape, isSelectionField ? token.selected : token.no);
        return this.#fieldExpression(sql);
      }
      case chunkKind.table:
        return this.#table(field as Table);
      case chunkKind.value:
        this.#only(Object.getPrototypeOf(field) === Object.prototype);
        this.step(ingredient.fieldShape, token.object);
        return this.#fields(field as Record<string, unknown>);
      default:
        // A subquery, for one: building its field gives it its decoder.
        throw notCached;
    }
  }

  #fieldExpression(expression: SQL): void {
    this.#sql(expression);
    const { decoder } = expression as unknown as { decoder: unknown };
    // Not every such column takes what SQL answers.
    if (decoder instanceof EncryptedColumn) throw notCached;
    this.step(ingredient.decoder, decoder === noopDecoder ? token.sameValue : token.decoded);
  }

  #joins(joins: Joins): void {
    this.step(ingredient.listLength, joins.length);
    for (let i = 0; i < joins.length; i += 1) {
      const join = joins[i]!;
      this.step(ingredient.join, join.joinType);
      this.step(ingredient.join, join.lateral === true ? token.yes : token.no);
      this.step(ingredient.tableAlias, join.alias ?? token.nothing);
      this.#expression(join, 'table');
      if ((join as unknown as Held)['on'] === undefined) this.step(ingredient.join, token.nothing);
      else this.#expression(join, 'on');
    }
  }

  #limit(config: StatementConfig, limit: unknown): void {
    if (typeof limit === 'object' || (typeof limit === 'number' && limit >= 0)) this.#chunk(config, 'limit');
    else this.step(ingredient.limit, token.no);
  }

  #distinct(distinct: boolean | { readonly on: readonly unknown[] }): void {
    if (typeof distinct === 'object' && distinct !== null) {
      this.step(ingredient.distinct, token.list);
      this.#chunks(distinct.on, ingredient.listLength);
    } else {
      this.step(ingredient.distinct, distinct ? token.yes : token.no);
    }
  }

  #lock({ strength, config }: { readonly strength: string; readonly config: Held }): void {
    this.step(ingredient.lock, strength);
    this.step(ingredient.lock, config['noWait'] ? token.yes : token.no);
    this.step(ingredient.lock, config['skipLocked'] ? token.yes : token.no);
    const { of } = config as { of?: unknown };
    if (!of) this.step(ingredient.lock, token.nothing);
    else this.#chunk(config, 'of');
  }

  #ctes(ctes: readonly Subquery[]): void {
    this.step(ingredient.listLength, ctes.length);
    for (let i = 0; i < ctes.length; i += 1) {
      const { sql, alias } = subqueryParts(ctes[i]!);
      this.step(ingredient.subquery, alias);
      this.#nested(sql);
    }
  }

  #set(set: Held): void {
    for (const key in set) {
      const value = set[key];
      if (value === undefined) continue;
      this.step(ingredient.assignment, key);
      this.#expression(set, key);
    }
    this.step(ingredient.assignment, token.end);
  }

  #rows(table: PgTable, rows: readonly Held[]): void {
    const columns = insertableColumns(table);
    this.step(ingredient.rows, rows.length);
    this.step(ingredient.rows, columns.length);
    for (let i = 0; i < rows.length; i += 1) {
      const row = rows[i]!;
      for (let j = 0; j < columns.length; j += 1) {
        const key = columns[j]!;
        const value = row[key] as Param | undefined;
        if (value === undefined) this.step(ingredient.cell, token.default);
        else if (chunkKindOf(value) === chunkKind.param && value.value === undefined) this.step(ingredient.cell, token.default);
        else this.#expression(row, key);
      }
    }
  }

  #chunks(chunks: readonly unknown[], of: Ingredient): void {
    this.step(of, chunks.length);
    for (let i = 0; i < chunks.length; i += 1) this.#chunk(chunks, i);
  }

  #sql(query: SQL): void {
    if ((query as unknown as { shouldInlineParams: boolean }).shouldInlineParams) throw notCached;
    const chunks = query.queryChunks;
    const comparison = indexComparison(chunks);
    if (comparison === undefined) this.#chunks(chunks, ingredient.chunkCount);
    else this.#comparison(chunks, comparison);
  }

  /** A comparison by a blind index: its values are tags. */
  #comparison(chunks: readonly unknown[], { column, operator, right }: IndexComparison): void {
    const { index } = column;
    if (index === undefined || index.truncated || column.adoption !== undefined) throw notCached;
    this.step(ingredient.chunkKind, token.indexed);
    this.#column(column as unknown as Column);
    this.step(ingredient.text, operator);
    if (!Array.isArray(right)) return this.#compared(chunks, 3, index);
    this.step(ingredient.chunkKind, token.list);
    this.step(ingredient.listLength, right.length);
    for (let i = 0; i < right.length; i += 1) this.#compared(right, i, index);
  }

  #compared(holder: readonly unknown[], at: number, index: DriverValueEncoder<unknown, unknown>): void {
    const value = holder[at];
    if (typeof value !== 'object' || value === null) throw notCached;
    if (chunkKindOf(value) !== chunkKind.param) return this.#part(holder, at, value);
    const { encoder } = value as Param;
    this.#param(value as Param, encoder instanceof EncryptedColumn ? index : encoder);
  }

  #chunk(holder: object, at: PropertyKey): void {
    const chunk = (holder as Held)[at];
    if (typeof chunk === 'object' && chunk !== null) this.#part(holder, at, chunk);
    else if (chunk === undefined) this.step(ingredient.chunkKind, token.nothing);
    else if (typeof chunk !== 'function' && typeof chunk !== 'symbol') this.#bare(holder, at, chunk);
    else if (isPgEnum(chunk)) this.step(ingredient.column, chunk);
    else throw notCached;
  }

  #part(holder: object, at: PropertyKey, chunk: object): void {
    switch (chunkKindOf(chunk)) {
      case chunkKind.text: {
        const { value } = chunk as StringChunk;
        return this.step(ingredient.text, value.length === 1 ? value[0]! : value.join(''));
      }
      case chunkKind.sql:
        this.step(ingredient.chunkKind, token.sql);
        return this.#sql(chunk as SQL);
      case chunkKind.param:
        return this.#param(chunk as Param);
      case chunkKind.column:
        return this.#column(chunk as Column);
      case chunkKind.name:
        this.step(ingredient.chunkKind, token.name);
        return this.step(ingredient.name, (chunk as Name).value);
      case chunkKind.list:
        this.step(ingredient.chunkKind, token.list);
        return this.#chunks(chunk as unknown[], ingredient.listLength);
      case chunkKind.table:
        return this.#table(chunk as Table);
      case chunkKind.aliased:
        this.step(ingredient.chunkKind, token.aliased);
        return this.step(ingredient.fieldAlias, (chunk as SQL.Aliased).fieldAlias ?? token.nothing);
      case chunkKind.subquery:
        return this.#subquery(chunk as Subquery);
      case chunkKind.lazy:
        this.step(ingredient.chunkKind, token.lazy);
        return this.#nested(chunk);
      case chunkKind.select:
        this.step(ingredient.chunkKind, token.select);
        return this.#clauses((chunk as unknown as { config: StatementConfig }).config);
      case chunkKind.stored:
        this.step(ingredient.chunkKind, token.stored);
        return this.#param((chunk as StoredValue).param);
      case chunkKind.tableChunk:
        this.step(ingredient.chunkKind, (chunk as TableChunk).filtered ? token.filtered : token.tableChunk);
        return this.#relation((chunk as TableChunk).table);
      case chunkKind.value:
        return this.#bare(holder, at, chunk);
      default:
        throw notCached;
    }
  }

  #subquery(subquery: Subquery): void {
    const { sql, alias, isWith } = subqueryParts(subquery);
    this.step(ingredient.chunkKind, isWith ? token.cte : token.subquery);
    this.step(ingredient.subquery, alias);
    if (!isWith) this.#nested(sql);
  }

  #nested(query: object): void {
    this.#only(chunkKindOf(query) === chunkKind.lazy);
    const { kind, pristine, config } = query as LazySql;
    this.#only(kind === 'select' && pristine);
    this.#clauses(config);
  }

  #column(column: Column): void {
    const { table } = column;
    if (isAlias(table)) {
      // A column of an alias is made anew at every mention; its configuration is not.
      this.step(ingredient.column, (column as unknown as { config: object }).config);
      this.#table(table);
    } else {
      this.step(ingredient.column, column);
    }
  }

  #relation(relation: Relation): void {
    if (!is(relation, Table)) throw notCached;
    this.#table(relation);
  }

  #table(table: Table): void {
    if (!isAlias(table)) return this.step(ingredient.table, table);
    const identity = identityOf(table);
    if (identity === undefined) throw notCached;
    this.step(ingredient.table, token.alias);
    this.step(ingredient.table, identity);
    this.step(ingredient.tableAlias, rangeNameOf(table));
    this.step(ingredient.tableAlias, originalNameOf(table));
  }

  #param(param: Param, encoder: DriverValueEncoder<unknown, unknown> = param.encoder): void {
    const { value } = param;
    if (typeof value === 'object' && value !== null && !isPlain(chunkKindOf(value))) throw notCached;
    const encoded: unknown = value === null ? null : encoder.mapToDriverValue(value);
    this.step(ingredient.parameter, parameterToken(encoded));
    this.#value(encoded, param, undefined);
  }

  #bare(holder: object, at: PropertyKey, value: unknown): void {
    this.step(ingredient.parameter, token.bare);
    this.#value(value, holder, at);
  }

  #value(value: unknown, holder: object, at: PropertyKey | undefined): void {
    if (this.count >= maxValues) throw notCached;
    this.values[this.count] = value;
    this.count += 1;
    this.places?.push({ holder, at });
  }
}

function isPlain(kind: number): boolean {
  return kind >= chunkKind.value || kind === chunkKind.list;
}

function parameterToken(encoded: unknown): Token {
  if (typeof encoded !== 'object' || encoded === null) return token.parameter;
  const kind = chunkKindOf(encoded);
  if (isPlain(kind)) return token.parameter;
  if (kind === chunkKind.encryptedValue) return token.encrypted;
  if (kind === chunkKind.blindIndexValue) return token.indexed;
  if (kind === chunkKind.givenTenantId) return token.givenTenantId;
  // SQL from an encoder, for one.
  throw notCached;
}
