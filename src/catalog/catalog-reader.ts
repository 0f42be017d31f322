import type { DatabaseAddress } from '../connection/credentials.ts';
import { DecryptionError, UnknownTenantError } from '../errors.ts';
import { parseTenantId } from '../tenant/tenant-id.ts';
import type { Tiers } from '../tenant/tier.ts';
import type { CatalogSession } from './catalog-session.ts';
import type { ContextMaster } from './context-master.ts';
import { inactiveTenant } from './inactive-tenant.ts';
import type { SealedCredential } from './sealed-credential.ts';
import type { TenantRecord } from './tenant-record.ts';
import { storedTenantOf, tenantRows } from './tenant-row.ts';
import { contextMasterOf, wrappedTenantKeysOf } from './wrapped-key-row.ts';
import type { WrappedTenantKeys } from './wrapped-tenant-keys.ts';

export interface CatalogReaderOptions {
  readonly session: CatalogSession;
  readonly tiers: Tiers;
}

/** What services read of the catalog, with the login that can read no more than this. */
export class CatalogReader {
  readonly #session: CatalogSession;
  readonly #tiers: Tiers;

  constructor(options: CatalogReaderOptions) {
    this.#session = options.session;
    this.#tiers = options.tiers;
  }

  /**
   * One tenant with its placement and cluster, in one statement; undefined when there is no such tenant.
   *
   * @throws {TenantInactiveError} when the tenant has no placement
   * @throws {ConfigurationError} when its tier is unknown here
   * @throws {CatalogError} when the catalog can't be read
   */
  async tenantRecord(tenantId: string): Promise<TenantRecord | undefined> {
    parseTenantId(tenantId);
    const [row] = await this.#session.query({ doing: `reading the tenant ${tenantId}`, tenantId }, (sql) =>
      tenantRows(sql, sql`where t.id = ${tenantId}`),
    );
    if (row === undefined) return undefined;
    const { tenant, placement, cluster, keyLocations } = storedTenantOf(row, this.#tiers);
    if (placement === undefined || cluster === undefined) throw inactiveTenant(tenantId, tenant.status);
    return Object.freeze({ tenant, placement, cluster, keyLocations });
  }

  /** The ids of every tenant that is served, in order. */
  async activeTenants(): Promise<readonly string[]> {
    const rows = await this.#session.query(
      { doing: 'listing the active tenants' },
      (sql) => sql<{ id: string }[]>`
      select id from tenancy.tenants where status = 'active' order by id`,
    );
    return rows.map((row) => row.id);
  }

  /**
   * A tenant's wrapped keys.
   *
   * @throws {UnknownTenantError} when it has none: there is no such tenant, or it is still being provisioned
   * @throws {DecryptionError} when they were shredded
   * @throws {CatalogError} when some are missing or the catalog can't be read
   */
  async wrappedKeys(tenantId: string): Promise<WrappedTenantKeys> {
    parseTenantId(tenantId);
    const rows = await this.#session.query(
      { doing: `reading the keys of the tenant ${tenantId}`, tenantId },
      (sql) => sql`
      select purpose, version, state, provider, key_ref, key_version, wrapped from tenancy.data_keys where tenant_id = ${tenantId}`,
    );
    const keys = wrappedTenantKeysOf(tenantId, rows);
    if (keys !== undefined) return keys;
    const [shred] = await this.#session.query(
      { doing: `reading the keys of the tenant ${tenantId}`, tenantId },
      (sql) => sql<{ at: Date | null }[]>`select tenancy.keys_shredded_at(${tenantId}) as at`,
    );
    if (shred?.at != null) {
      throw new DecryptionError(`The keys of tenant ${tenantId} were shredded on ${shred.at.toISOString()}.`, {
        tenantId,
        hint: 'What was encrypted under them is gone for good.',
      });
    }
    throw new UnknownTenantError(`The catalog has no keys of the tenant ${tenantId}.`, {
      tenantId,
      hint: 'It does not exist, or is still being provisioned.',
    });
  }

  /** Every context master, newest first. */
  async contextMasters(): Promise<readonly ContextMaster[]> {
    const rows = await this.#session.query(
      { doing: 'reading the context masters' },
      (sql) => sql`
      select key_id, provider, key_ref, key_version, wrapped, created_at, retired_at
      from tenancy.context_masters order by created_at desc, key_id desc`,
    );
    return Object.freeze(rows.map(contextMasterOf));
  }

  /** The sealed service login of one database; undefined when none is stored. */
  async serviceCredential(address: DatabaseAddress): Promise<SealedCredential | undefined> {
    const [row] = await this.#session.query(
      { doing: `reading the service login of ${address.clusterId}/${address.database}` },
      (sql) => sql<
        {
          login: string;
          sealed: Buffer;
          created_at: Date;
        }[]
      >`
      select login, sealed, created_at from tenancy.service_credentials
      where cluster_id = ${address.clusterId} and database = ${address.database}`,
    );
    if (row === undefined) return undefined;
    return Object.freeze({
      clusterId: address.clusterId,
      database: address.database,
      login: row.login,
      sealed: row.sealed,
      createdAt: row.created_at,
    });
  }
}
