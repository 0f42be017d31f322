import { Auditor } from './audit/auditor.ts';
import { AuditLog } from './audit-store/audit-log.ts';
import { AuditReader } from './audit-store/audit-reader.ts';
import { AuditVerifier } from './audit-store/audit-verifier.ts';
import { openAuditChain } from './audit-store/open-audit-chain.ts';
import { PostgresAuditSink } from './audit-store/postgres-audit-sink.ts';
import { sealBaseline } from './audit-store/seal-baseline.ts';
import { CatalogClient } from './catalog/catalog-client.ts';
import { ClusterStore } from './catalog/cluster-store.ts';
import { CredentialStore } from './catalog/credential-store.ts';
import { KeyStore } from './catalog/key-store.ts';
import { LedgerStore } from './catalog/ledger-store.ts';
import { PlacementStore } from './catalog/placement-store.ts';
import type { StoredTenant } from './catalog/stored-tenant.ts';
import { TenantStore } from './catalog/tenant-store.ts';
import type { ControlPlane, InitReport, TenantDetails } from './control-plane.ts';
import { ClosedError, ConfigurationError } from './errors.ts';
import type { KeyManager } from './kms/key-manager.ts';
import { KeyManagers } from './kms/key-managers.ts';
import { ColumnLife } from './lifecycle/column-life.ts';
import type { ColumnPlane } from './lifecycle/column-plane.ts';
import { ContextRotation } from './lifecycle/context-rotation.ts';
import { KeyLife } from './lifecycle/key-life.ts';
import { MigrationPlane } from './lifecycle/migration-plane.ts';
import { Onboarding } from './lifecycle/onboarding.ts';
import { SilentAttempts } from './lifecycle/silent-attempts.ts';
import { TenantChanges } from './lifecycle/tenant-changes.ts';
import { verifyPlatform } from './lifecycle/verify-platform.ts';
import { loadMigrations } from './migrate/load-migrations.ts';
import type { MigrationSource } from './migrate/migration-source.ts';
import { urlFor } from './provision/admin-client.ts';
import { catalogLogin } from './provision/catalog-login.ts';
import { type ClusterDefinition, requireOwnNames } from './provision/cluster-definition.ts';
import { ContextAuthority } from './provision/context-authority.ts';
import { CredentialVault } from './provision/credential-vault.ts';
import { installCatalog } from './provision/install-catalog.ts';
import { installCluster } from './provision/install-cluster.ts';
import { platformNames } from './provision/names.ts';
import { OwnerAccess } from './provision/owner-access.ts';
import { PlatformKeys } from './provision/platform-keys.ts';
import { defaultTiers, type Tiers } from './tenant/tier.ts';

export type { Anchor } from './audit/anchor-sink.ts';
export type { AuditFilter, AuditListFilter } from './audit/audit-filter.ts';
export type { AuditFinding, AuditFindingKind, AuditVerifyReport } from './audit/audit-finding.ts';
export { readAnchors } from './audit-store/read-anchors.ts';
export type { ChangeOptions, ControlPlane, InitReport, TenantDetails, TenantFilter } from './control-plane.ts';
export type { ColumnPlane } from './lifecycle/column-plane.ts';
export type {
  ColumnBackfill,
  ColumnBackfillOptions,
  ColumnBackfillProgress,
  ColumnBackfillReport,
  ColumnContract,
  ColumnContractOptions,
  ColumnContractReport,
  ColumnScope,
  ColumnStatus,
  LeftReason,
  LeftRow,
  TenantColumns,
} from './lifecycle/column-reports.ts';
export type {
  KekStatus,
  KeyMoveOptions,
  KeyMoveReport,
  KeyProblem,
  KeyRotationOptions,
  KeyRotationProgress,
  KeyRotationReport,
  KeyStatus,
  PlatformRewrapReport,
  SilentProcess,
} from './lifecycle/key-reports.ts';
export type { KekEvidence, KeyShredOptions, ShredCertificate } from './lifecycle/shred-certificate.ts';
export type { SilentAttemptReport } from './lifecycle/silent-attempts.ts';
export type {
  MigrateOptions,
  MigrationProgress,
  MigrationReport,
  MigrationStatus,
  MigrationTargetReport,
} from './migrate/migration-report.ts';
export type { ClusterDefinition } from './provision/cluster-definition.ts';
export type { ProvisionOptions, ProvisionReport, ProvisionStep } from './provision/provision-report.ts';
export { parseTenantConfig, type TenantConfig, type TenantConfigInput } from './tenant/tenant-config.ts';
export { type LocatedConfigIssue, readTenantConfig } from './tenant/tenant-config-file.ts';
export type { Finding, Severity, VerifyOptions, VerifyReport } from './verify/finding.ts';

/** What {@link createControlPlane} takes. It holds administrators' passwords: it belongs to platform engineers, never to a service. */
export interface ControlPlaneOptions {
  /** The catalog's server. */
  readonly catalog: {
    /** A login that may create roles and databases on the catalog's server; reached directly (docs/operations.md, "init"). */
    readonly adminUrl: string;
    /** Names the catalog's roles and database; `tenancy` unless told. `^[a-z][a-z0-9_]{0,7}$`. */
    readonly rolePrefix?: string | undefined;
  };
  /** Every PostgreSQL server that tenants may be placed on. */
  readonly clusters: readonly ClusterDefinition[];
  /** The platform's own tables: a directory of node-pg-migrate files or drizzle-kit's output. */
  readonly migrations?:
    | {
        /** Relative to the working directory. Read when it is first needed. */
        readonly directory: string;
        /** Migrations of schema `reference`, whose tables every tenant reads and no service changes. */
        readonly reference?: string | undefined;
      }
    | undefined;
  /** One key manager, or one per region; the first keeps the platform's own secrets. */
  readonly kms: KeyManager | readonly KeyManager[];
  /** The platform's tiers, the same as its services'; `defaultTiers` unless told. */
  readonly tiers?: Tiers | undefined;
}

/** A platform without tables of its own yet. */
const noMigrations: MigrationSource = Object.freeze({ directory: '(none)', format: 'node-pg-migrate', migrations: Object.freeze([]) });

interface Opened {
  readonly catalog: CatalogClient;
  readonly tenants: TenantStore;
  readonly changes: TenantChanges;
  readonly clusters: ClusterStore;
  readonly keys: PlatformKeys;
  readonly vault: CredentialVault;
  readonly authority: ContextAuthority;
  readonly owners: OwnerAccess;
  readonly migrations: MigrationPlane;
  readonly onboarding: Onboarding;
  readonly rotation: ContextRotation;
  readonly keyLife: KeyLife;
  readonly columnLife: ColumnLife;
  readonly auditor: Auditor;
}

/**
 * Makes the control plane: owner work on the catalog, the clusters and the tenants. It connects when it is first used, so that
 * `init` can make what everything else needs.
 *
 * @throws {ConfigurationError} when the options contradict each other: no key manager, a cluster given twice, two clusters of one server
 *   with one `rolePrefix`, a URL that is none
 * @example
 * ```ts
 * await using control = await createControlPlane({
 *   catalog: { adminUrl },
 *   clusters: [{ id: 'us-1', region: 'us-east-1', adminUrl }],
 *   migrations: { directory: './migrations' },
 *   kms: localKeyManager({ file: '.tenancy/keys.json', region: 'us-east-1' }),
 * });
 * await control.init();
 * await control.provision(await readTenantConfig('acme.yaml'));
 * ```
 */
export async function createControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  return new WiredControlPlane(options);
}

class WiredControlPlane implements ControlPlane {
  readonly columns: ColumnPlane = Object.freeze({
    status: async (...[scope]: Parameters<ColumnPlane['status']>) => await (await this.#open()).columnLife.status(scope),
    backfill: async (...[options]: Parameters<ColumnPlane['backfill']>) => await (await this.#open()).columnLife.backfill(options),
    contract: async (...[options]: Parameters<ColumnPlane['contract']>) => await (await this.#open()).columnLife.contract(options),
  });
  readonly #options: ControlPlaneOptions;
  readonly #managers: KeyManagers;
  readonly #tiers: Tiers;
  readonly #names: ReturnType<typeof platformNames>;
  #opened: Promise<Opened> | undefined;
  #closed = false;

  constructor(options: ControlPlaneOptions) {
    this.#options = Object.freeze({ ...options });
    this.#managers = new KeyManagers(options.kms);
    this.#tiers = options.tiers ?? defaultTiers;
    this.#names = platformNames(options.catalog.rolePrefix ?? 'tenancy');
    const ids = options.clusters.map(({ id }) => id);
    const twice = ids.find((id, index) => ids.indexOf(id) !== index);
    if (twice !== undefined) {
      throw new ConfigurationError(`The cluster "${twice}" is configured twice.`, { hint: 'Give each cluster an id of its own.' });
    }
    requireOwnNames(options.clusters);
  }

  async init(): Promise<InitReport> {
    this.#requireOpen();
    const files = await installCatalog(this.#options.catalog.adminUrl, this.#names);
    const { clusters, keys, vault, authority, catalog, auditor } = await this.#open();
    let changed = files.length > 0;
    if (await keys.ensure()) changed = true;
    if (await sealBaseline(new AuditLog(catalog), auditor, this.#names.catalog)) changed = true;
    for (const definition of this.#options.clusters) {
      if (await installCluster(definition, { clusters, vault, authority })) changed = true;
    }
    const serviceCatalogUrl = await catalogLogin(this.#options.catalog.adminUrl, this.#names, vault);
    const [version] = await catalog.query(
      { doing: 'reading its version' },
      (sql) => sql<{ name: string }[]>`select max(name) as name from tenancy.schema_migrations`,
    );
    return { catalogVersion: version?.name ?? '', clusters: this.#options.clusters.map(({ id }) => id), serviceCatalogUrl, changed };
  }

  async provision(...[config, options]: Parameters<ControlPlane['provision']>) {
    return await (await this.#open()).onboarding.provision(config, options);
  }

  async updateTenant(...[value, options]: Parameters<ControlPlane['updateTenant']>) {
    return await (await this.#open()).changes.updateConfig(value, options?.actor);
  }

  async setStatus(...[tenantId, status, options]: Parameters<ControlPlane['setStatus']>) {
    return await (await this.#open()).changes.setStatus(tenantId, status, options?.actor);
  }

  async tenants(...[filter]: Parameters<ControlPlane['tenants']>) {
    return (await (await this.#open()).tenants.list(filter)).map(detailsOf);
  }

  async tenant(tenantId: string) {
    return detailsOf(await (await this.#open()).tenants.require(tenantId));
  }

  async migrate(options: Parameters<ControlPlane['migrate']>[0] = {}) {
    return await (await this.#open()).migrations.migrate(options);
  }

  async migrationStatus() {
    return await (await this.#open()).migrations.status();
  }

  async verify(...[options]: Parameters<ControlPlane['verify']>) {
    const { tenants, owners, vault, authority } = await this.#open();
    const catalogUrl = urlFor(this.#options.catalog.adminUrl, { database: this.#names.catalogDatabase });
    const { catalogDatabase: database, owner: ownerRole, catalog: catalogRole } = this.#names;
    return await verifyPlatform({ tenants, owners, vault, authority, catalogUrl, catalog: { database, ownerRole, catalogRole } }, options);
  }

  async rotateContextKey(...[options]: Parameters<ControlPlane['rotateContextKey']>) {
    return { keyId: await (await this.#open()).rotation.rotate(options?.actor) };
  }

  async retireContextKeys(...[options]: Parameters<ControlPlane['retireContextKeys']>) {
    return { retired: await (await this.#open()).rotation.retire(options?.actor) };
  }

  async keyStatus(...[tenantId]: Parameters<ControlPlane['keyStatus']>) {
    return await (await this.#open()).keyLife.status(tenantId);
  }

  async rewrapKeys(...[tenantId, options]: Parameters<ControlPlane['rewrapKeys']>) {
    return await (await this.#open()).keyLife.rewrap(tenantId, options);
  }

  async rewrapPlatformKeys(...[options]: Parameters<ControlPlane['rewrapPlatformKeys']>) {
    const { keyLife, owners } = await this.#open();
    const report = await keyLife.rewrapPlatform(options);
    owners.clear();
    return report;
  }

  async moveKeys(...[tenantId, options]: Parameters<ControlPlane['moveKeys']>) {
    return await (await this.#open()).keyLife.move(tenantId, options);
  }

  async shredKeys(...[tenantId, options]: Parameters<ControlPlane['shredKeys']>) {
    return await (await this.#open()).keyLife.shred(tenantId, options);
  }

  async verifyShredCertificate(certificate: unknown) {
    return await (await this.#open()).keyLife.isCertified(certificate);
  }

  async destroyRetiredKey(...[tenantId, version, options]: Parameters<ControlPlane['destroyRetiredKey']>) {
    await (await this.#open()).keyLife.destroyRetired(tenantId, version, options);
  }

  async rotateKeys(...[tenantId, options]: Parameters<ControlPlane['rotateKeys']>) {
    return await (await this.#open()).keyLife.rotate(tenantId, options);
  }

  async auditEntries(...[filter]: Parameters<ControlPlane['auditEntries']>) {
    return await new AuditReader((await this.#open()).catalog).entries(filter);
  }

  async *auditExport(...[filter]: Parameters<ControlPlane['auditExport']>) {
    yield* new AuditReader((await this.#open()).catalog).all(filter);
  }

  async *auditTail(...[filter, signal]: Parameters<ControlPlane['auditTail']>) {
    yield* new AuditReader((await this.#open()).catalog).tail(filter, signal);
  }

  async auditVerify({ anchors = [], signal }: NonNullable<Parameters<ControlPlane['auditVerify']>[0]> = {}) {
    const log = new AuditLog((await this.#open()).catalog);
    return await new AuditVerifier({ log, managers: this.#managers, anchors, signal }).run();
  }

  async auditSilentAttempts({ signal }: NonNullable<Parameters<ControlPlane['auditSilentAttempts']>[0]> = {}) {
    const { catalog, auditor, owners } = await this.#open();
    return await new SilentAttempts({ catalog, auditor, owners, managers: this.#managers }).run(signal);
  }

  /** Ends the connections; key managers are closed too. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const opened = await this.#opened?.catch(() => undefined);
    await opened?.auditor.close();
    await opened?.catalog.close();
    await this.#managers.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #open(): Promise<Opened> {
    this.#requireOpen();
    if (this.#opened === undefined) {
      this.#opened = this.#wire();
      this.#opened.catch(() => {
        this.#opened = undefined;
      });
    }
    return await this.#opened;
  }

  async #wire(): Promise<Opened> {
    const {
      catalog: { adminUrl },
      clusters: definitions,
      migrations: files,
    } = this.#options;
    const managers = this.#managers;
    const tiers = this.#tiers;
    const catalogUrl = urlFor(adminUrl, { database: this.#names.catalogDatabase });
    const catalog = await CatalogClient.open({ url: catalogUrl, applicationName: 'tenancy-control' });
    const keyStore = new KeyStore(catalog);
    const tenants = new TenantStore(catalog, tiers);
    const clusters = new ClusterStore(catalog);
    const placements = new PlacementStore(catalog);
    const auditor = new Auditor([new PostgresAuditSink({ session: catalog })], {
      openChain: async () => await openAuditChain({ store: keyStore, managers }),
    });
    const keys = new PlatformKeys({ store: keyStore, managers });
    const credentials = new CredentialStore(catalog);
    const vault = new CredentialVault({ store: credentials, keys: keyStore, managers });
    const authority = new ContextAuthority({ store: keyStore, managers });
    const owners = new OwnerAccess({ vault, authority, adminUrls: new Map(definitions.map(({ id, adminUrl: url }) => [id, url])) });
    const migrations = new MigrationPlane({
      tenants,
      placements,
      owners,
      ledger: new LedgerStore(catalog),
      source: once(files?.directory),
      reference: once(files?.reference),
    });
    const onboarding = new Onboarding({
      tiers,
      tenants,
      clusters,
      placements,
      keyStore,
      managers,
      platformKeys: keys,
      vault,
      authority,
      owners,
      migrations,
      auditor,
      catalogUrl,
    });
    return {
      catalog,
      changes: new TenantChanges({ tenants, auditor }),
      tenants,
      clusters,
      keys,
      vault,
      authority,
      owners,
      migrations,
      onboarding,
      rotation: new ContextRotation({ keyStore, credentials, keys, authority, owners, auditor }),
      keyLife: new KeyLife({ catalog, tenants, managers, platformKeys: keys, owners, auditor, catalogUrl, keyStore, credentials }),
      columnLife: new ColumnLife({ catalog, tenants, managers, owners, auditor, catalogUrl }),
      auditor,
    };
  }

  #requireOpen(): void {
    if (this.#closed) throw new ClosedError('The control plane was used after close.', { hint: 'Open another with createControlPlane.' });
  }
}

/** Loads migrations when they are first needed; an unreadable directory is an error of that command, not of every other. */
function once(directory: string | undefined): () => Promise<MigrationSource> {
  let source: Promise<MigrationSource> | undefined;
  return async () => {
    source ??= directory === undefined ? Promise.resolve(noMigrations) : loadMigrations(directory);
    return await source;
  };
}

function detailsOf({ tenant, placement, cluster, createdAt, updatedAt }: StoredTenant): TenantDetails {
  return Object.freeze({ tenant, placement, cluster, createdAt, updatedAt });
}
