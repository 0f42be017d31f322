import type { Anchor } from './audit/anchor-sink.ts';
import type { AuditEvent } from './audit/audit-event.ts';
import type { AuditFilter, AuditListFilter } from './audit/audit-filter.ts';
import type { AuditVerifyReport } from './audit/audit-finding.ts';
import type { Cluster } from './catalog/cluster.ts';
import type { Placement } from './catalog/placement.ts';
import type { ColumnPlane } from './lifecycle/column-plane.ts';
import type {
  KeyMoveOptions,
  KeyMoveReport,
  KeyRotationOptions,
  KeyRotationReport,
  KeyStatus,
  PlatformRewrapReport,
} from './lifecycle/key-reports.ts';
import type { KeyShredOptions, ShredCertificate } from './lifecycle/shred-certificate.ts';
import type { SilentAttemptReport } from './lifecycle/silent-attempts.ts';
import type { MigrateOptions, MigrationReport, MigrationStatus } from './migrate/migration-report.ts';
import type { ProvisionOptions, ProvisionReport } from './provision/provision-report.ts';
import type { Tenant, TenantStatus } from './tenant/tenant.ts';
import type { VerifyOptions, VerifyReport } from './verify/finding.ts';

/** What `init` made or found. */
export interface InitReport {
  /** The newest of the catalog's own migrations, as its file is named. */
  readonly catalogVersion: string;
  /** The ids of the configured clusters. */
  readonly clusters: readonly string[];
  /**
   * The URL for services, with its password: for a secret store, not for a log. Its login `<rolePrefix>_catalog` reads routing data and
   * appends audit entries (docs/operations.md, "Roles and logins").
   */
  readonly serviceCatalogUrl: string;
  /** Whether anything was made; false when everything stood already. */
  readonly changed: boolean;
}

/** A tenant as the catalog has it. */
export interface TenantDetails {
  /** The tenant, in whichever status. */
  readonly tenant: Tenant;
  /** Where its rows are; undefined before provisioning chose a place. */
  readonly placement: Placement | undefined;
  /** The cluster of its placement. */
  readonly cluster: Cluster | undefined;
  /** When it was recorded, by the catalog server's clock. */
  readonly createdAt: Date;
  /** When its configuration or status last changed, by the catalog server's clock. */
  readonly updatedAt: Date;
}

/** Which tenants to list; all unless told. Every field that is given must hold. */
export interface TenantFilter {
  /** A tier's name. */
  readonly tier?: string | undefined;
  /** The region that the tenant's data lives in. */
  readonly region?: string | undefined;
  /** Where the tenant is in its life. */
  readonly status?: TenantStatus | undefined;
}

/** Who changes a tenant or a key, for the audit log. */
export interface ChangeOptions {
  /** A person's or a job's name, as the audit log should show it. */
  readonly actor?: string | undefined;
}

/**
 * Owner work on the platform: what the CLI and platform engineers use and services never hold (docs/concepts.md, "Two logins, two sides").
 *
 * Every method throws {@link CatalogError} when the catalog or a server can't be reached, {@link ClosedError} after `close`; and every
 * method but `init` {@link CatalogError} before `init`.
 */
export interface ControlPlane extends AsyncDisposable {
  /**
   * Makes the catalog, the platform key and the roles, shared database and functions of every cluster that is not dedicated; idempotent.
   * Run it after each release and each change of the clusters.
   *
   * @throws {KeyManagerError} when the first key manager can't make the platform key
   */
  init(): Promise<InitReport>;
  /**
   * Takes a tenant's configuration to isolated, migrated, active tables; safe to run again after a failure, and for a tenant that stands.
   *
   * @param config checked by `parseTenantConfig`: what {@link readTenantConfig} answered, or a {@link TenantConfigInput}
   * @throws {TenantConfigError} {@link ConfigurationError} before anything is made, when the configuration can't be used
   * @throws {CatalogError} when the tenant stands with another configuration, is suspended, or is offboarded
   * @throws {ResidencyError} when the cluster that is asked for, or every key manager, stands in a region that the tenant does not allow
   * @throws {ProvisioningError} naming the step that failed; what this run had made in the cluster was dropped
   * @throws {AbortedError} when `options.signal` fires before its keys are made; later it is the cause of a {@link ProvisioningError}
   * @example
   * ```ts
   * const { placement, created } = await control.provision(await readTenantConfig('acme.yaml'), { actor: 'ada' });
   * ```
   */
  provision(config: unknown, options?: ProvisionOptions): Promise<ProvisionReport>;
  /**
   * Replaces a tenant's configuration; id, tier and region may not change this way. Recorded in the audit log before and after.
   *
   * @throws {TenantConfigError} when the configuration can't be used
   * @throws {UnknownTenantError} when there is no such tenant
   * @throws {CatalogError} when it names another tier or region, or the tenant is offboarded
   */
  updateTenant(config: unknown, options?: ChangeOptions): Promise<Tenant>;
  /**
   * Suspends a tenant, or serves it again. Services hear of it from the catalog: what has been sent ends, new scopes and queries are refused
   * with {@link TenantInactiveError}. Recorded in the audit log before and after.
   *
   * @throws {UnknownTenantError} when there is no such tenant
   * @throws {CatalogError} when the status that it has does not lead there: only active tenants are suspended, offboarded ones never return
   */
  setStatus(tenantId: string, status: 'active' | 'suspended', options?: ChangeOptions): Promise<Tenant>;
  /** Tenants in every status, by id. */
  tenants(filter?: TenantFilter): Promise<readonly TenantDetails[]>;
  /** One tenant. @throws {UnknownTenantError} when the catalog knows none of that id */
  tenant(tenantId: string): Promise<TenantDetails>;
  /**
   * Brings active and suspended tenants to the newest migration, each in a transaction of its own, reference tables first
   * (docs/operations.md, "Migrations"). A target that fails does not throw: look at `failed`.
   *
   * @throws {ConfigurationError} when the migrations' directory or the concurrency can't be used
   * @throws {MigrationError} before anything is run, when the ledger and the migrations contradict each other
   * @throws {UnknownTenantError} when a tenant that is named can't be migrated
   * @example
   * ```ts
   * const { targets, failed } = await control.migrate({ tier: 'enterprise', concurrency: 8 });
   * if (failed > 0) for (const { target, error } of targets) if (error !== undefined) console.error(target, error.message);
   * ```
   */
  migrate(options?: MigrateOptions): Promise<MigrationReport>;
  /** What each target has and lacks, from the catalog alone: no tenant database is connected to. */
  migrationStatus(): Promise<readonly MigrationStatus[]>;
  /**
   * Compares every database that holds tenants with what should be there, from PostgreSQL's system catalogs, and tries as the service
   * login what one tenant must not do to another (docs/operations.md, "Tenants"). What it tries is rolled back: only sequences go on. One
   * database that can't be entered ends it: nothing would be proven about it.
   *
   * @param options which checks, and a `signal` that ends it before the next database
   * @throws {AbortedError} when the signal fired
   * @example
   * ```ts
   * const { ok, findings, checked } = await control.verify();
   * if (!ok || checked === 0) throw new Error(findings.map(({ location, message }) => `${location}: ${message}`).join('\n'));
   * ```
   */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  /**
   * Makes a new key for signed contexts, installs it in every database and lets services sign with it, which they do within moments.
   * Nothing is refused meanwhile: both keys are valid until {@link ControlPlane.retireContextKeys}. Running it again after a failure is
   * safe. Recorded in the audit log before and after, as is the retirement.
   *
   * @throws {ConfigurationError} before anybody signs with it, when a cluster of the catalog was not given to this control plane
   */
  rotateContextKey(options?: ChangeOptions): Promise<{ readonly keyId: string }>;
  /**
   * Takes all context keys but the newest out of use: contexts that they signed are refused from then on. Other control planes that are
   * open must be opened anew.
   *
   * @throws {CatalogError} retryable, while the newest key is younger than ten minutes
   */
  retireContextKeys(options?: ChangeOptions): Promise<{ readonly retired: readonly string[] }>;
  /**
   * What one tenant's keys are, or all tenants': KEKs as their key managers describe them now, data key versions, rotations, problems. Opens
   * no key.
   *
   * @throws {UnknownTenantError} when the catalog knows none of that id
   */
  keyStatus(tenantId?: string): Promise<readonly KeyStatus[]>;
  /**
   * Replaces a tenant's data key while services run, and encrypts its rows anew in the background (docs/encryption.md, "Life of keys"). It
   * waits for services to learn of the new version and for the rows; what is not done when it ends, after an abort or a crash too, the
   * same call goes on with.
   *
   * @returns how far it has come: `step` is `done` when nothing is left
   * @throws {CatalogError} when the tenant is not active or suspended; retryable, when another process changes its keys
   * @throws {KeyManagerError} when the key manager is away or refuses
   * @throws {AbortedError} when the signal fired
   * @example
   * ```ts
   * const { step, rewritten, waitingFor } = await control.rotateKeys('acme', { actor: 'ada', rowsPerSecond: 1_000 });
   * if (step !== 'done') console.warn(waitingFor.map(({ name, keysEndAt }) => `${name} until ${keysEndAt.toISOString()}`));
   * ```
   */
  rotateKeys(tenantId: string, options?: KeyRotationOptions): Promise<KeyRotationReport>;
  /**
   * Destroys a data key version that a rotation retired. Backups with values of it can't be read any more. Writers to the tenant's encrypted
   * tables wait while a last look makes sure that no value has it.
   *
   * @throws {CatalogError} when the version is not retired, or a value has it
   */
  destroyRetiredKey(tenantId: string, version: number, options?: ChangeOptions): Promise<void>;
  /**
   * Wraps a tenant's keys anew under the newest version of the KEK that they have; no row is rewritten.
   *
   * @throws {KeyManagerError} when the key manager is away or refuses; nothing was replaced
   */
  rewrapKeys(tenantId: string, options?: ChangeOptions): Promise<KeyMoveReport>;
  /**
   * Wraps everything that the platform's KEKs wrap anew, under their newest versions or, with `newKek`, under new KEKs: tenants' keys, context
   * masters, certificate keys, logins. Audit chains stay under the KEK that they began with. Safe to run again after a failure.
   *
   * @throws {KeyManagerError} when a key manager is away or refuses
   * @throws {CatalogError} retryable, when another process changes a tenant's keys
   */
  rewrapPlatformKeys(options?: ChangeOptions & { readonly newKek?: boolean | undefined }): Promise<PlatformRewrapReport>;
  /**
   * Moves a tenant's keys under another KEK: of another key manager, with other protection, or of its own. No row is rewritten. Tier,
   * residency and the services' key managers are checked before anything is made; the former KEK stays as it is unless `disableOld`.
   *
   * @throws {ConfigurationError} for less than the tier asks for, or a key manager that was not given
   * @throws {ResidencyError} when the key manager stands in a region that the tenant does not allow
   * @throws {CatalogError} when a service that runs has no such key manager
   * @example
   * ```ts
   * await control.moveKeys('acme', { provider: 'local/eu-west-1', actor: 'ada', disableOld: true });
   * ```
   */
  moveKeys(tenantId: string, options?: KeyMoveOptions): Promise<KeyMoveReport>;
  /**
   * Destroys a tenant's keys for good: what was encrypted under them can't be read by anybody any more (docs/encryption.md, "Life of keys",
   * with what this does not reach). Run it again until the certificate says `complete`.
   *
   * @returns a signed certificate, which the catalog keeps too
   * @throws {ConfigurationError} when `confirm` is not the tenant's id, or actor or reason is missing
   * @throws {CatalogError} when the tenant is active and it is not forced
   * @example
   * ```ts
   * const certificate = await control.shredKeys('acme', { confirm: 'acme', actor: 'ada', reason: 'contract ended' });
   * if (!certificate.complete) console.warn(certificate.processes.silent);
   * ```
   */
  shredKeys(tenantId: string, options: KeyShredOptions): Promise<ShredCertificate>;
  /**
   * Whether a certificate is one that this platform signed, unchanged.
   *
   * @param certificate as `shredKeys` answered, also after a way through JSON
   * @throws {KeyManagerError} when the platform's key manager is away
   */
  verifyShredCertificate(certificate: unknown): Promise<boolean>;
  /** Encrypted columns of tables that have rows already. */
  readonly columns: ColumnPlane;
  /**
   * Audit entries, newest first; 100 unless the filter says how many.
   *
   * @throws {ConfigurationError} when the limit is no whole number from 1 to 10,000
   */
  auditEntries(filter?: AuditListFilter): Promise<readonly AuditEvent[]>;
  /**
   * Every audit entry that matches, in the order of arrival: however many there are, a page at a time is in memory.
   *
   * @example
   * ```ts
   * for await (const entry of control.auditExport({ tenantId: 'acme' })) console.log(JSON.stringify(entry));
   * ```
   */
  auditExport(filter?: AuditFilter): AsyncIterable<AuditEvent>;
  /** Audit entries that match as they arrive, from now on, until the signal fires. They come about a second late. */
  auditTail(filter: AuditFilter, signal: AbortSignal): AsyncIterable<AuditEvent>;
  /**
   * Checks the audit log for entries that were changed, removed, moved, copied or added by others than its writers (docs/audit.md, "What
   * verify proves"). Reads all of it.
   *
   * @param options `anchors` are compared, so that a tail that was cut off is missed; `signal` ends it
   * @throws {KeyManagerError} when the platform's key manager is away, or denies the chains' keys
   * @throws {AbortedError} when the signal fired
   * @example
   * ```ts
   * const { ok, findings } = await control.auditVerify({ anchors: await readAnchors('anchors.jsonl') });
   * if (!ok) throw new Error(findings.map(({ kind, writer, seq, message }) => `${kind} ${writer} ${seq}: ${message}`).join('\n'));
   * ```
   */
  auditVerify(options?: {
    readonly anchors?: readonly Anchor[] | undefined;
    readonly signal?: AbortSignal | undefined;
  }): Promise<AuditVerifyReport>;
  /**
   * Finds out which of the rows that services asked for in vain are another tenant's, and records it (docs/audit.md, "Silent attempts"). Run
   * it regularly where `audit.silentAttempts` is on. Every table that was asked about is read whole, once or a few times.
   *
   * @param options `signal` ends it before the next table
   * @throws {AuditUnavailableError} when an answer can't be recorded; what is open is answered by the next run
   * @throws {KeyManagerError} when the platform's key manager is away
   * @throws {AbortedError} when the signal fired
   * @example
   * ```ts
   * const { foreign } = await control.auditSilentAttempts();
   * if (foreign > 0) console.warn(await control.auditEntries({ action: 'query.silent', outcome: 'refused' }));
   * ```
   */
  auditSilentAttempts(options?: { readonly signal?: AbortSignal | undefined }): Promise<SilentAttemptReport>;
  /** Ends the connections; key managers are closed too. Safe to call twice. */
  close(): Promise<void>;
}
