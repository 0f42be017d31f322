import type { Auditor } from '../audit/auditor.ts';
import type { ClusterStore } from '../catalog/cluster-store.ts';
import type { KeyStore } from '../catalog/key-store.ts';
import type { Placement } from '../catalog/placement.ts';
import type { PlacementStore } from '../catalog/placement-store.ts';
import type { TenantStore } from '../catalog/tenant-store.ts';
import { AbortedError, CatalogError, ConfigurationError, ProvisioningError, TenancyError } from '../errors.ts';
import { makeTenantKeys } from '../keys/tenant-key-maker.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import { withClient } from '../provision/admin-client.ts';
import { Compensation } from '../provision/compensation.ts';
import type { ContextAuthority } from '../provision/context-authority.ts';
import type { CredentialVault } from '../provision/credential-vault.ts';
import { installDatabase } from '../provision/install-database.ts';
import { dropLogin } from '../provision/login.ts';
import { dedicatedNames } from '../provision/names.ts';
import type { OwnerAccess } from '../provision/owner-access.ts';
import type { PlatformKeys } from '../provision/platform-keys.ts';
import type { ProvisionOptions, ProvisionReport, ProvisionStep } from '../provision/provision-report.ts';
import { dropTenantDatabase } from '../provision/tenant-database.ts';
import { withTenantLock } from '../provision/tenant-lock.ts';
import { createTenantSchema, dropTenantSchema } from '../provision/tenant-schema.ts';
import type { Tenant } from '../tenant/tenant.ts';
import { parseTenantConfig, residencyOf, type TenantConfig } from '../tenant/tenant-config.ts';
import type { Tiers } from '../tenant/tier.ts';
import { choosePlacement } from './choose-placement.ts';
import type { MigrationPlane } from './migration-plane.ts';

/** What onboarding works with. */
export interface OnboardingParts {
  readonly tiers: Tiers;
  readonly tenants: TenantStore;
  readonly clusters: ClusterStore;
  readonly placements: PlacementStore;
  readonly keyStore: KeyStore;
  readonly managers: KeyManagers;
  readonly platformKeys: PlatformKeys;
  readonly vault: CredentialVault;
  readonly authority: ContextAuthority;
  readonly owners: OwnerAccess;
  readonly migrations: MigrationPlane;
  readonly auditor: Auditor;
  /** The catalog's database, for a lock that lives as long as a run. */
  readonly catalogUrl: string;
}

/**
 * Takes a tenant from its configuration to active, step by step. Every step is idempotent, so that running again goes on where a
 * crash left it; when a step fails, the database objects that this run made are dropped again. The catalog's record and the keys
 * stay: a key that was made is never made twice.
 */
export class Onboarding {
  readonly #parts: OnboardingParts;

  constructor(parts: OnboardingParts) {
    this.#parts = parts;
  }

  /**
   * @param value the configuration, as YAML, JSON or code gave it
   * @throws {TenantConfigError} {@link ConfigurationError} before anything is done, when the configuration can't be used
   * @throws {ProvisioningError} naming the step that failed
   */
  async provision(value: unknown, options: ProvisionOptions = {}): Promise<ProvisionReport> {
    const config = parseTenantConfig(value);
    return await withTenantLock(this.#parts.catalogUrl, config.id, async () => await this.#provision(config, options));
  }

  async #provision(config: TenantConfig, options: ProvisionOptions): Promise<ProvisionReport> {
    const startedAt = performance.now();
    const tier = this.#parts.tiers[config.tier];
    if (tier === undefined) {
      throw new ConfigurationError(`The tenant "${config.id}" asks for the tier "${config.tier}", which does not exist.`, {
        tenantId: config.id,
        hint: `There are ${Object.keys(this.#parts.tiers).join(', ')}: name one of them, or add it to the tiers option.`,
      });
    }
    const before = await this.#parts.tenants.find(config.id);
    if (before?.tenant.status === 'active' && before.placement !== undefined) {
      requireSameConfig(config, before.tenant.config);
      return { tenant: before.tenant, placement: before.placement, created: false, durationMs: performance.now() - startedAt };
    }
    if (before !== undefined && before.tenant.status !== 'provisioning') {
      throw new CatalogError(`The tenant "${config.id}" is ${before.tenant.status}: it can't be provisioned.`, {
        tenantId: config.id,
        hint:
          before.tenant.status === 'suspended'
            ? 'Set its status to active to serve it again.'
            : 'Ids are never used again: choose another.',
      });
    }
    const compensation = new Compensation();
    let step: ProvisionStep = 'record';
    const enter = (next: ProvisionStep): void => {
      if (options.signal?.aborted === true)
        throw new AbortedError(`Provisioning tenant "${config.id}" was aborted before the step ${next}.`, {
          tenantId: config.id,
          cause: options.signal.reason,
        });
      step = next;
      options.onStep?.(next);
    };
    try {
      enter('record');
      const wanted = { id: config.id, tier, region: config.region, dataResidency: residencyOf(config) };
      const chosen = before?.placement ?? (await choosePlacement(this.#parts.clusters, wanted, options.clusterId));
      // Asked before the record is made: a tenant that no key manager may serve leaves no trace.
      this.#parts.platformKeys.managerOf(wanted);
      if (before === undefined) await this.#parts.tenants.insert(config);
      else await this.#parts.tenants.updateConfig(config);
      const placement = before?.placement ?? (await this.#parts.placements.insert(chosen));
      enter('keys');
      await this.#makeKeys(wanted);
      enter('database');
      if (placement.isolation === 'database') await this.#makeDatabase(placement, compensation);
      enter('schema');
      await this.#makeSchema(placement, compensation);
      enter('migrate');
      const shared = await this.#parts.migrations.migrateReference(placement);
      if (shared.error !== undefined) throw shared.error;
      const report = await this.#parts.migrations.migratePlacement(placement, { signal: options.signal });
      if (report.error !== undefined) throw report.error;
      enter('activate');
      await this.#parts.auditor.record({
        action: 'tenant',
        outcome: 'completed',
        targetTenantId: config.id,
        actor: options.actor,
        reason: 'provisioned',
        detail: { tier: tier.name, cluster: placement.clusterId },
      });
      await this.#parts.tenants.setStatus(config.id, 'active');
    } catch (error) {
      throw await this.#undo(config, step, error, compensation, options);
    }
    return await this.#report(config.id, startedAt);
  }

  async #makeKeys(tenant: Parameters<PlatformKeys['kekOf']>[0]): Promise<void> {
    const tenantId = tenant.id;
    const kek = await this.#parts.platformKeys.kekOf(tenant);
    const recorded = await this.#parts.keyStore.recordedPurposes(tenantId);
    if (recorded.has('data') && recorded.has('blind-index')) return;
    const made = await makeTenantKeys(this.#parts.managers.for(kek.provider), kek.keyRef, tenantId);
    const keys = [
      ['data', made.dataKey],
      ['blind-index', made.indexSecret],
    ] as const;
    for (const [purpose, wrapped] of keys) {
      if (!recorded.has(purpose)) await this.#parts.keyStore.insertDataKey({ tenantId, purpose, version: 1, kekId: kek.id, wrapped });
    }
  }

  async #makeDatabase(placement: Placement, compensation: Compensation): Promise<void> {
    const cluster = await this.#parts.clusters.find(placement.clusterId);
    const names = dedicatedNames(cluster?.rolePrefix ?? '', placement.tenantId);
    const adminUrl = this.#parts.owners.adminUrl(placement.clusterId);
    const address = { clusterId: placement.clusterId, database: names.database };
    const existed = (await this.#parts.vault.find('owner', address)) !== undefined;
    if (!existed) {
      // Registered before anything is made: a failure in the middle leaves a database and logins that nobody has a password for.
      compensation.add('database', async () => {
        await withClient(adminUrl, async (admin) => {
          await dropTenantDatabase(admin, names.database);
          await dropLogin(admin, names.app);
          await dropLogin(admin, names.owner);
        });
        await this.#parts.vault.remove(address);
        this.#parts.owners.forget(address);
      });
    }
    await installDatabase(adminUrl, placement.clusterId, names, { vault: this.#parts.vault, authority: this.#parts.authority });
  }

  async #makeSchema(placement: Placement, compensation: Compensation): Promise<void> {
    const shared = placement.isolation === 'row';
    const { url } = await this.#parts.owners.of(placement);
    const made = await withClient(
      url,
      async (owner) => await createTenantSchema(owner, placement.schema, shared ? undefined : placement.tenantId),
    );
    if (made && !shared)
      compensation.add('schema', async () => await withClient(url, async (owner) => await dropTenantSchema(owner, placement.schema)));
  }

  async #undo(
    config: TenantConfig,
    step: ProvisionStep,
    error: unknown,
    compensation: Compensation,
    options: ProvisionOptions,
  ): Promise<TenancyError> {
    const left = await compensation.run();
    await this.#parts.auditor.record({
      action: 'tenant',
      outcome: 'failed',
      targetTenantId: config.id,
      actor: options.actor,
      errorCode: error instanceof TenancyError ? error.code : undefined,
      detail: { step },
    });
    // Before the first step is done nothing was made: the caller is better served by the plain reason.
    if (step === 'record' && error instanceof TenancyError) return error;
    const remains =
      left.length === 0
        ? 'what it had made was dropped again'
        : `what could not be dropped again: ${left.map((undo) => undo.step).join(', ')}`;
    return new ProvisioningError(`Provisioning tenant "${config.id}" failed at the step ${step}; ${remains}.`, {
      step,
      tenantId: config.id,
      cause: error,
      retryable: error instanceof TenancyError && error.retryable,
      hint: 'Mend the cause and run it again: it goes on from here.',
    });
  }

  async #report(tenantId: string, startedAt: number): Promise<ProvisionReport> {
    const { tenant, placement } = await this.#parts.tenants.require(tenantId);
    if (placement === undefined)
      throw new CatalogError(`The tenant "${tenantId}" lost its placement while it was provisioned.`, {
        tenantId,
        hint: 'Somebody else changes the catalog: find out who before provisioning it again.',
      });
    return { tenant, placement, created: true, durationMs: performance.now() - startedAt };
  }
}

/** Provisioning again may not change a tenant on the side. */
function requireSameConfig(given: TenantConfig, stored: Tenant['config']): void {
  if (JSON.stringify(sorted(given)) === JSON.stringify(sorted(stored))) return;
  throw new CatalogError(`The tenant "${given.id}" exists already with another configuration.`, {
    tenantId: given.id,
    hint: 'Use `tenancy tenant update` or control.updateTenant to change it.',
  });
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
