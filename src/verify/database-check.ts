import type { Sql, TransactionSql } from 'postgres';
import type { Isolation } from '../tenant/tier.ts';
import type { Finding } from './finding.ts';

/** A schema of tenant tables, as the catalog says it should be. */
export interface VerifiedSchema {
  readonly schema: string;
  readonly isolation: Isolation;
  /** The tenant that the schema belongs to; undefined under `row` isolation. */
  readonly tenantId?: string | undefined;
}

/** One tenant database, as the catalog says it should be. */
export interface VerifiedDatabase {
  readonly clusterId: string;
  readonly database: string;
  readonly ownerRole: string;
  readonly appRole: string;
  readonly schemas: readonly VerifiedSchema[];
}

/** What one check found, and how many things it looked at. */
export interface CheckResult {
  readonly findings: readonly Finding[];
  readonly checked: number;
}

/** One group of rules about a tenant database; reads the system catalogs only, in a read-only transaction whose search_path is `pg_catalog`. */
export type DatabaseCheck = (sql: Sql | TransactionSql, database: VerifiedDatabase) => Promise<CheckResult>;

/** Where a finding is, as people name it. */
export function locate(database: VerifiedDatabase, object: string): string {
  return `${database.clusterId}/${database.database} ${object}`;
}

/** Every schema of ours in a tenant database. */
export function ownSchemas(database: VerifiedDatabase): readonly string[] {
  return [...database.schemas.map(({ schema }) => schema), 'reference', 'tenancy'];
}
