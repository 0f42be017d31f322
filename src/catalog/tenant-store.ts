import { CatalogError, UnknownTenantError } from '../errors.ts';
import type { TenantStatus } from '../tenant/tenant.ts';
import { residencyOf, type TenantConfig } from '../tenant/tenant-config.ts';
import type { Tiers } from '../tenant/tier.ts';
import type { CatalogSession } from './catalog-session.ts';
import type { StoredTenant } from './stored-tenant.ts';
import { storedTenantOf, tenantRows } from './tenant-row.ts';

/** From which status a tenant may come to another. Nothing leads back from `offboarded`: ids are never used again. */
const cameFrom: Readonly<Record<TenantStatus, readonly TenantStatus[]>> = {
  provisioning: [],
  active: ['provisioning', 'suspended'],
  suspended: ['active'],
  offboarded: ['provisioning', 'active', 'suspended'],
};

/** Which tenants to list; all unless told. */
export interface StoredTenantFilter {
  readonly tier?: string | undefined;
  readonly region?: string | undefined;
  readonly status?: TenantStatus | undefined;
}

/** The owner's side of `tenancy.tenants`. */
export class TenantStore {
  readonly #session: CatalogSession;
  readonly #tiers: Tiers;

  constructor(session: CatalogSession, tiers: Tiers) {
    this.#session = session;
    this.#tiers = tiers;
  }

  /** One tenant, or undefined. */
  async find(tenantId: string): Promise<StoredTenant | undefined> {
    const [row] = await this.#session.query({ doing: `reading the tenant ${tenantId}`, tenantId }, (sql) =>
      tenantRows(sql, sql`where t.id = ${tenantId}`),
    );
    return row === undefined ? undefined : storedTenantOf(row, this.#tiers);
  }

  /** @throws {UnknownTenantError} when there is no such tenant */
  async require(tenantId: string): Promise<StoredTenant> {
    const stored = await this.find(tenantId);
    if (stored === undefined) throw unknown(tenantId);
    return stored;
  }

  /** Tenants by id. */
  async list(filter: StoredTenantFilter = {}): Promise<readonly StoredTenant[]> {
    const rows = await this.#session.query({ doing: 'listing tenants' }, (sql) =>
      tenantRows(
        sql,
        sql`
      where (${filter.tier ?? null}::text is null or t.tier = ${filter.tier ?? null})
        and (${filter.region ?? null}::text is null or t.region = ${filter.region ?? null})
        and (${filter.status ?? null}::text is null or t.status = ${filter.status ?? null})
      order by t.id`,
      ),
    );
    return rows.map((row) => storedTenantOf(row, this.#tiers));
  }

  /**
   * Records a new tenant, in status `provisioning`.
   *
   * @throws {CatalogError} when the id is or was in use
   */
  async insert(config: TenantConfig): Promise<void> {
    const rows = await this.#session.query(
      { doing: `recording the tenant ${config.id}`, tenantId: config.id },
      (sql) => sql`
      insert into tenancy.tenants (id, name, tier, region, data_residency, status, config)
      values (${config.id}, ${config.name}, ${config.tier}, ${config.region}, string_to_array(${residencyOf(config).join(',')}, ','), 'provisioning',
        ${sql.json(config as never)})
      on conflict (id) do nothing returning id`,
    );
    if (rows.length === 0) {
      throw new CatalogError(`The tenant id ${config.id} is or was in use: the tenant was not recorded.`, {
        tenantId: config.id,
        hint: 'Ids are never used again, not even after offboarding: choose another.',
      });
    }
  }

  /**
   * Replaces a tenant's configuration.
   *
   * @throws {CatalogError} when it names another tier or region: those change by moving the tenant
   * @throws {UnknownTenantError} when there is no such tenant
   */
  async updateConfig(config: TenantConfig): Promise<void> {
    const rows = await this.#session.query(
      { doing: `changing the configuration of the tenant ${config.id}`, tenantId: config.id },
      (sql) => sql`
      update tenancy.tenants
      set name = ${config.name}, data_residency = string_to_array(${residencyOf(config).join(',')}, ','), config = ${sql.json(config as never)}, updated_at = now()
      where id = ${config.id} and tier = ${config.tier} and region = ${config.region} and status <> 'offboarded'
      returning id`,
    );
    if (rows.length > 0) return;
    const { tenant } = await this.require(config.id);
    throw new CatalogError(
      tenant.status === 'offboarded'
        ? `The tenant ${config.id} is offboarded: its configuration was not changed.`
        : `The tenant ${config.id} is ${tenant.tier.name} in ${tenant.region}: its configuration was not changed to ${config.tier} in ${config.region}.`,
      { tenantId: config.id, hint: 'Tier and region change by moving the tenant.' },
    );
  }

  /**
   * Takes a tenant to another status; to the one that it has, nothing happens.
   *
   * @returns whether it changed
   * @throws {CatalogError} when the status that it has does not lead there
   * @throws {UnknownTenantError} when there is no such tenant
   */
  async setStatus(tenantId: string, status: TenantStatus): Promise<boolean> {
    const rows = await this.#session.query(
      { doing: `setting the status of the tenant ${tenantId}`, tenantId },
      (sql) => sql`
      update tenancy.tenants set status = ${status}, updated_at = now()
      where id = ${tenantId} and status = any(string_to_array(${cameFrom[status].join(',')}, ','))
      returning id`,
    );
    if (rows.length > 0) return true;
    const { tenant } = await this.require(tenantId);
    if (tenant.status === status) return false;
    throw new CatalogError(`The tenant ${tenantId} is ${tenant.status}: it can't become ${status}.`, {
      tenantId,
      hint: `Only ${cameFrom[status].join(' or ') || 'a new tenant'} leads to ${status}.`,
    });
  }
}

function unknown(tenantId: string): UnknownTenantError {
  return new UnknownTenantError(`The catalog knows no tenant ${tenantId}.`, {
    tenantId,
    hint: 'Check the id, or provision the tenant first.',
  });
}
