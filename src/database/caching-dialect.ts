import { entityKind, type Query, type SQL } from 'drizzle-orm';
import type { PgDeleteConfig, PgInsertConfig, PgSelectConfig, PgUpdateConfig } from 'drizzle-orm/pg-core';
import { chunkKind, chunkKindOf } from './chunk-kind.ts';
import type { CompiledQuery } from './compiled-query.ts';
import { LazySql, type StatementConfig, type StatementKind } from './lazy-sql.ts';
import { ShapeCache, type ShapeCacheOptions } from './shape-cache.ts';
import { TenantDialect } from './tenant-dialect.ts';

/**
 * The dialect that services use: statements whose shape it has met are not built again. Everything that it does not keep goes to
 * {@link TenantDialect}, which also makes whatever is kept.
 */
export class CachingDialect extends TenantDialect {
  static override readonly [entityKind]: string = 'TenancyCachingDialect';
  readonly #shapes: ShapeCache;

  constructor(options?: ShapeCacheOptions) {
    super();
    this.#shapes = new ShapeCache(
      { build: (kind, config) => this.#build(kind, config), compile: (query) => super.sqlToQuery(query) },
      options,
    );
  }

  get shapes(): ShapeCache {
    return this.#shapes;
  }

  override buildSelectQuery(config: PgSelectConfig): SQL {
    // A join adds to the fields of a select from raw SQL in place.
    if (config.setOperators.length > 0 || !isSource(chunkKindOf(config.table))) return super.buildSelectQuery(config);
    const copy = { ...config };
    if (config.joins !== undefined) {
      copy.joins = [...config.joins];
      copy.fields = { ...config.fields };
    }
    return this.#lazy('select', copy);
  }

  override buildInsertQuery(config: PgInsertConfig): SQL {
    return config.select === true ? super.buildInsertQuery(config) : this.#lazy('insert', { ...config });
  }

  override buildUpdateQuery(config: PgUpdateConfig): SQL {
    if (config.from !== undefined || config.joins.length > 0) return super.buildUpdateQuery(config);
    return this.#lazy('update', { ...config, joins: [] });
  }

  override buildDeleteQuery(config: PgDeleteConfig): SQL {
    return this.#lazy('delete', { ...config });
  }

  override sqlToQuery(query: SQL): CompiledQuery & Query {
    return query instanceof LazySql ? this.#shapes.compile(query) : super.sqlToQuery(query);
  }

  #lazy(kind: StatementKind, config: object): SQL {
    return new LazySql(kind, config as StatementConfig, this.#shapes) as unknown as SQL;
  }

  #build(kind: StatementKind, config: StatementConfig): SQL {
    switch (kind) {
      case 'select':
        return super.buildSelectQuery(config as never);
      case 'insert':
        return super.buildInsertQuery(config as never);
      case 'update':
        return super.buildUpdateQuery(config as never);
      case 'delete':
        return super.buildDeleteQuery(config as never);
    }
  }
}

function isSource(kind: number): boolean {
  return kind === chunkKind.table || kind === chunkKind.subquery;
}
