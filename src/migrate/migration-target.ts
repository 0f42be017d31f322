import { ConfigurationError } from '../errors.ts';
import type { Isolation } from '../tenant/tier.ts';

/** One schema to migrate: a tenant's own, or the one that all tenants of a row-isolation placement share. */
export interface MigrationTarget {
  /** The tenant's id, or `<cluster>/pool` for a shared schema; unique within a run and in the ledger. */
  readonly key: string;
  readonly clusterId: string;
  readonly database: string;
  readonly schema: string;
  readonly isolation: Isolation;
  /** Undefined for the shared schema of row isolation. */
  readonly tenantId: string | undefined;
  /**
   * How the owner login reaches the database itself, never through a pooler: the lock, the context and the search_path belong to a
   * session. Holds a password: it goes into no message and no log.
   */
  readonly ownerUrl: string;
  /**
   * Signs a context for this backend: the tenant's, or the maintenance context for row isolation. Called again before every migration
   * and whenever the last token is {@link contextRenewalMs} old, so tokens may be short-lived.
   *
   * @param backendPid the backend of the owner's connection
   */
  contextToken(backendPid: number): string;
}

/** After how many milliseconds a session's context is signed anew. */
export const contextRenewalMs = 30_000;

/** The schema of tables that every tenant reads; the one shared schema that the platform's own migrations may change. */
export const referenceSchema = 'reference';

const reservedSchemas = ['public', 'tenancy', 'extensions', 'information_schema'];

/**
 * Checks a target before anything is sent: node-pg-migrate writes the schema's name into SQL as it stands.
 *
 * @throws {ConfigurationError} when the schema isn't a plain small-letter name of a schema that tenants may have
 */
export function checkTarget(target: MigrationTarget): void {
  const { schema } = target;
  const ofTenant = target.tenantId !== undefined && schema === referenceSchema;
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(schema) || schema.startsWith('pg_') || reservedSchemas.includes(schema) || ofTenant) {
    throw new ConfigurationError(`"${schema.slice(0, 63)}" of ${target.key} is not a schema that migrations may run in.`, {
      tenantId: target.tenantId,
      hint: 'A tenant’s schema has small letters, digits and underscores, and is not one of PostgreSQL’s or of the library’s own.',
    });
  }
}
