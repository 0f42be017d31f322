import { createHash } from 'node:crypto';

/** What an advisory lock guards. Locks of different kinds never share a key; tenants' own locks are taken elsewhere. */
export type AdvisoryLockClass = 'sql-set' | 'policies' | 'migrate' | 'provision';

/**
 * The key of an advisory lock: the first 64 bits of SHA-256 over its class and what it guards, so that it is the same in every process
 * and release. PostgreSQL keeps advisory locks per database.
 *
 * @returns a decimal bigint, to be passed as text and cast
 * @example
 * ```ts
 * await sql`select pg_advisory_xact_lock(${advisoryLockKey('policies', 'tenant_100')}::bigint)`;
 * ```
 */
export function advisoryLockKey(kind: AdvisoryLockClass, name: string): string {
  return createHash('sha256').update(`tenancy:${kind}:${name}`).digest().readBigInt64BE().toString();
}
