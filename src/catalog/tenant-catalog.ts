import type { TenantRecord } from './tenant-record.ts';

/** Told which tenant's catalog rows changed; undefined means that any may have. */
export type InvalidationCallback = (tenantId: string | undefined) => void;

/** Tenant records as services look them up: in memory where that is safe. */
export interface TenantCatalog {
  /** The record if it is in memory and fresh: the synchronous path of every query after the first. The same object until it changes. */
  cached(tenantId: string): TenantRecord | undefined;
  /**
   * The record, read from the catalog when it is not in memory.
   *
   * @throws {UnknownTenantError} when there is no such tenant
   * @throws {TenantInactiveError} when it has no placement
   * @throws {CatalogError} when the catalog can't be read
   */
  record(tenantId: string, signal?: AbortSignal): Promise<TenantRecord>;
  /** Calls back at every change; answers with a function that stops it. */
  onInvalidate(callback: InvalidationCallback): () => void;
}
