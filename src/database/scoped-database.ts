import {
  createTableRelationsHelpers,
  type ExtractTablesWithRelations,
  extractTablesRelationalConfig,
  is,
  type TablesRelationalConfig,
} from 'drizzle-orm';
import { type PgDatabase, PgTable } from 'drizzle-orm/pg-core';
import type { Auditor } from '../audit/auditor.ts';
import type { SilentQuestion } from '../audit/silent-question.ts';
import { ConfigurationError } from '../errors.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import type { Router } from '../routing/route.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { CachingDialect } from './caching-dialect.ts';
import { HiddenColumn } from './hidden-column.ts';
import { QueryExecutor } from './query-executor.ts';
import { createRawSql, type RawSql } from './raw-sql.ts';
import { Refusals } from './refusals.ts';
import { createRunTransaction, type RunTransaction } from './scoped-transaction.ts';
import { SessionPool } from './session-pool.ts';
import type { ShapeCacheOptions } from './shape-cache.ts';
import { SilentAnswers } from './silent-answers.ts';
import { tableKindOf } from './table-kind.ts';
import { TenantDatabase } from './tenant-database.ts';
import type { TenantQueryResultHKT } from './tenant-rows.ts';

/**
 * `tenancy.db` as services see it: drizzle's own type for the schema that they gave.
 *
 * @example
 * ```ts
 * function productBySku(db: ScopedPgDatabase<typeof schema>, sku: string) {
 *   return db.query.products.findFirst({ where: eq(schema.products.sku, sku) });
 * }
 * ```
 */
export type ScopedPgDatabase<TSchema extends Record<string, unknown>> = PgDatabase<
  TenantQueryResultHKT,
  TSchema,
  ExtractTablesWithRelations<TSchema>
>;

export interface ScopedDatabaseOptions<TSchema extends Record<string, unknown>> {
  /** The tables, made with `tenantTable` and `referenceTable`, and drizzle's `relations`. */
  readonly schema: TSchema;
  readonly router: Router;
  readonly keys: KeyRing;
  readonly auditor: Auditor;
  /** Hears of every statement. */
  readonly telemetry?: Telemetry | undefined;
  /** Hears of rows that statements named by their keys and that were not there. */
  readonly askSilent?: ((question: SilentQuestion) => void) | undefined;
  /** How statements are kept by their shape. */
  readonly shapeCache?: ShapeCacheOptions | undefined;
}

/** The ways to a tenant's rows. */
export interface ScopedDatabase<TSchema extends Record<string, unknown>> {
  readonly db: ScopedPgDatabase<TSchema>;
  readonly sql: RawSql;
  readonly transaction: RunTransaction<TSchema>;
}

/**
 * Makes `tenancy.db` and `tenancy.sql` over a router, a key ring and an auditor.
 *
 * @throws {ConfigurationError} when the schema holds a table that is neither tenant nor reference table, or a key that spans tenants
 * @example
 * ```ts
 * const { db, sql } = createScopedDatabase({ schema, router, keys, auditor });
 * ```
 */
export function createScopedDatabase<TSchema extends Record<string, unknown>>(
  options: ScopedDatabaseOptions<TSchema>,
): ScopedDatabase<TSchema> {
  for (const [name, value] of Object.entries(options.schema)) {
    if (is(value, PgTable) && tableKindOf(value) === undefined) {
      throw new ConfigurationError(`The schema's table "${name}" is neither a tenant nor a reference table.`, {
        hint: 'Declare it with tenantTable or referenceTable.',
      });
    }
  }
  const { tables, tableNamesMap } = extractTablesRelationalConfig(options.schema, createTableRelationsHelpers);
  const executor = new QueryExecutor({
    router: options.router,
    keys: options.keys,
    refusals: new Refusals(options.auditor),
    telemetry: options.telemetry,
    silent: options.askSilent && new SilentAnswers(options.schema, options.askSilent),
  });
  const sessions = new SessionPool({
    dialect: new CachingDialect(options.shapeCache),
    executor,
    schema: { fullSchema: options.schema, schema: readable(tables as TablesRelationalConfig), tableNamesMap },
  });
  return Object.freeze({
    db: new TenantDatabase(() => sessions.current()) as unknown as ScopedPgDatabase<TSchema>,
    sql: createRawSql(() => sessions.current().rawRunner),
    transaction: createRunTransaction<TSchema>(sessions, options.telemetry),
  });
}

/** The tables as relational queries see them: without the columns of blind indexes. */
function readable(tables: TablesRelationalConfig): TablesRelationalConfig {
  return Object.fromEntries(
    Object.entries(tables).map(([name, table]) => {
      const columns = Object.entries(table.columns).filter(([, column]) => !(column instanceof HiddenColumn));
      return [name, { ...table, columns: Object.fromEntries(columns) }];
    }),
  );
}
