import type { AuditEvent } from './audit/audit-event.ts';
import type { AuditFilter } from './audit/audit-filter.ts';
import type { Cluster } from './catalog/cluster.ts';
import type { Placement } from './catalog/placement.ts';
import type { MigrateOptions, MigrationReport, MigrationStatus } from './migrate/migration-report.ts';
import type { ProvisionOptions, ProvisionReport } from './provision/provision-report.ts';
import type { Tenant, TenantStatus } from './tenant/tenant.ts';
import type { VerifyReport } from './verify/finding.ts';

/** What `init` made or found. */
export interface InitReport {
  readonly catalogVersion: string;
  readonly clusters: readonly string[];
  /** The URL for services: the login `tenancy_catalog`, which reads routing data and appends audit entries. */
  readonly serviceCatalogUrl: string;
  /** Whether anything was made; false when everything stood already. */
  readonly changed: boolean;
}

export interface TenantDetails {
  readonly tenant: Tenant;
  readonly placement: Placement | undefined;
  readonly cluster: Cluster | undefined;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface TenantFilter {
  readonly tier?: string | undefined;
  readonly region?: string | undefined;
  readonly status?: TenantStatus | undefined;
}

/** Who changes a tenant, for the audit log. */
export interface ChangeOptions {
  readonly actor?: string | undefined;
}

/** Owner work on the platform: what the CLI and platform engineers use and services never hold. */
export interface ControlPlane extends AsyncDisposable {
  /** Makes the catalog, the platform key and every cluster's roles, shared database and functions; idempotent. */
  init(): Promise<InitReport>;
  /** Takes a tenant's configuration to isolated, migrated, active tables; safe to run again after a failure. */
  provision(config: unknown, options?: ProvisionOptions): Promise<ProvisionReport>;
  /** Replaces a tenant's configuration; id, tier and region may not change this way. */
  updateTenant(config: unknown, options?: ChangeOptions): Promise<Tenant>;
  setStatus(tenantId: string, status: 'active' | 'suspended', options?: ChangeOptions): Promise<Tenant>;
  tenants(filter?: TenantFilter): Promise<readonly TenantDetails[]>;
  /** @throws {UnknownTenantError} */
  tenant(tenantId: string): Promise<TenantDetails>;
  migrate(options?: MigrateOptions): Promise<MigrationReport>;
  migrationStatus(): Promise<readonly MigrationStatus[]>;
  verify(options?: { readonly signal?: AbortSignal | undefined }): Promise<VerifyReport>;
  auditEntries(filter?: AuditFilter): Promise<readonly AuditEvent[]>;
  close(): Promise<void>;
}
