/** What every {@link TenancyError} can carry. No field may hold parameters, plaintext or key material. */
export interface TenancyErrorOptions {
  /** The tenant that the failing work belonged to. */
  readonly tenantId?: string | undefined;
  /** The error underneath; it must already be free of parameters and plaintext. */
  readonly cause?: unknown;
  /** What the reader should do next: one sentence. */
  readonly hint?: string | undefined;
  /** Whether the same work may succeed when it is tried again unchanged; false unless told. */
  readonly retryable?: boolean | undefined;
  /** The audit entry that records this refusal. */
  readonly auditId?: string | undefined;
}

/**
 * The root of every error that this library throws on purpose. Its message names the tenant, what was attempted and what to do;
 * it never holds parameters, plaintext or keys.
 *
 * @example
 * ```ts
 * try {
 *   await tenancy.run('acme', () => tenancy.db.select().from(products));
 * } catch (error) {
 *   if (!(error instanceof TenancyError)) throw error;
 *   console.error(error.code, error.tenantId, error.auditId, error.retryable);
 * }
 * ```
 */
export class TenancyError extends Error {
  /** A stable, machine-readable name, for logs and alerts. */
  readonly code: string = 'TENANCY';
  /** The tenant that the failing work belonged to; undefined where there was none. */
  readonly tenantId: string | undefined;
  /** What to do next; the message ends with it too. */
  readonly hint: string | undefined;
  /** Whether the same work may succeed when it is tried again unchanged. */
  readonly retryable: boolean;
  /** The id of the audit entry that records this refusal; undefined where nothing was, or could be, recorded. */
  readonly auditId: string | undefined;

  constructor(message: string, options: TenancyErrorOptions = {}) {
    super(
      options.hint === undefined ? message : `${message} ${options.hint}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = new.target.name;
    this.tenantId = options.tenantId;
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
    this.auditId = options.auditId;
  }
}

// ── configuration and names ──────────────────────────────────────────────────────────────────────────────────────────────────

/** Raised when options given to the library, its CLI or its configuration files can't be used. */
export class ConfigurationError extends TenancyError {
  override readonly code = 'CONFIGURATION';
}

/** Raised when a tenant id breaks `^[a-z][a-z0-9-]{0,47}$` or its schema name is reserved (docs/concepts.md, "Words"). */
export class InvalidTenantIdError extends TenancyError {
  override readonly code = 'INVALID_TENANT_ID';
}

/** One thing wrong with a tenant's configuration, found at `path` (dotted, from the document's root). */
export interface ConfigIssue {
  /** Where: `compliance.data_residency.0`, with `tenant.` in front where the document has it. */
  readonly path: string;
  /** What is wrong; never holds a value of the document. */
  readonly message: string;
}

/**
 * Raised when a tenant's YAML, JSON or object configuration has unknown keys or wrong values; `issues` lists all of them.
 *
 * @example
 * ```ts
 * try {
 *   parseTenantConfig(JSON.parse(body));
 * } catch (error) {
 *   if (error instanceof TenantConfigError) for (const { path, message } of error.issues) console.error(path, message);
 * }
 * ```
 */
export class TenantConfigError extends TenancyError {
  override readonly code = 'TENANT_CONFIG';
  /** Everything that is wrong; with line and column (`LocatedConfigIssue`) when it was read from a file. */
  readonly issues: readonly ConfigIssue[];
  constructor(message: string, issues: readonly ConfigIssue[], options?: TenancyErrorOptions) {
    super(message, options);
    this.issues = issues;
  }
}

// ── scope ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Raised when tenant data is asked for outside `tenancy.run`. */
export class NoTenantError extends TenancyError {
  override readonly code = 'NO_TENANT';
}

/** Raised when the catalog knows no tenant of that id. */
export class UnknownTenantError extends TenancyError {
  override readonly code = 'UNKNOWN_TENANT';
}

/** Raised when a tenant exists but may not be served now (still provisioning, suspended, offboarded). */
export class TenantInactiveError extends TenancyError {
  override readonly code = 'TENANT_INACTIVE';
}

/** Raised when a query made in one tenant's scope is awaited in another's, or after its own scope ended. */
export class WrongTenantError extends TenancyError {
  override readonly code = 'WRONG_TENANT';
  /** The tenant whose scope the query was awaited in; undefined outside any. */
  readonly currentTenantId: string | undefined;
  constructor(message: string, options: TenancyErrorOptions & { readonly currentTenantId?: string | undefined }) {
    super(message, options);
    this.currentTenantId = options.currentTenantId;
  }
}

/** Raised when work in one tenant's scope names another tenant: in a where, an insert, an update, or by opening its scope. */
export class CrossTenantAccessError extends TenancyError {
  override readonly code = 'CROSS_TENANT_ACCESS';
  /** The tenant that was reached for. */
  readonly targetTenantId: string | undefined;
  constructor(message: string, options: TenancyErrorOptions & { readonly targetTenantId?: string | undefined }) {
    super(message, options);
    this.targetTenantId = options.targetTenantId;
  }
}

// ── queries ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Raised when a query holds a table, view or subquery that the library can't scope to a tenant. */
export class UnscopedQueryError extends TenancyError {
  override readonly code = 'UNSCOPED_QUERY';
}

/** Raised when something is asked for that tenancy rules out or does not offer; the hint names the way to go instead. */
export class NotSupportedError extends TenancyError {
  override readonly code = 'NOT_SUPPORTED';
}

/** Raised when an encrypted column is used in a way that can't work on ciphertext. */
export class EncryptedColumnError extends TenancyError {
  override readonly code = 'ENCRYPTED_COLUMN';
}

/**
 * What PostgreSQL said of a failed statement, less everything that could hold a value: message, detail, where and hint stay behind.
 * The fields are those of its protocol ("Error and Notice Message Fields"); a field is undefined where PostgreSQL named none.
 */
export interface SqlFailure {
  /** The five characters of PostgreSQL's "Error Codes", such as `23505`. */
  readonly sqlState: string;
  /** `ERROR`, `FATAL` or `PANIC`; in the server's language. */
  readonly severity?: string | undefined;
  /** The schema of the object that it was about. */
  readonly schema?: string | undefined;
  /** The table that it was about, without its schema. */
  readonly table?: string | undefined;
  /** The column that it was about. */
  readonly column?: string | undefined;
  /** The constraint that was broken: which unique key, which foreign key. */
  readonly constraint?: string | undefined;
  /** The function in PostgreSQL's source that raised it. */
  readonly routine?: string | undefined;
}

/**
 * Raised when PostgreSQL refuses a statement for any reason but tenancy's own; `sqlState` and `failure.constraint` say which.
 *
 * @example
 * ```ts
 * try {
 *   await tenancy.run('acme', () => tenancy.db.insert(products).values({ sku: 'LAMP-1', stock: 10 }));
 * } catch (error) {
 *   if (!(error instanceof QueryFailedError) || error.sqlState !== '23505') throw error;
 *   console.error('taken already:', error.failure.constraint);
 * }
 * ```
 */
export class QueryFailedError extends TenancyError {
  override readonly code: string = 'QUERY_FAILED';
  /** The same as `failure.sqlState`. */
  readonly sqlState: string;
  /** What PostgreSQL said. */
  readonly failure: SqlFailure;
  constructor(message: string, failure: SqlFailure, options?: TenancyErrorOptions) {
    super(message, options);
    this.sqlState = failure.sqlState;
    this.failure = failure;
  }
}

/** Raised when PostgreSQL itself refuses with 42501: row-level security, a forged context, a missing privilege. */
export class PolicyViolationError extends QueryFailedError {
  override readonly code = 'POLICY_VIOLATION';
}

/** Raised when a transaction with `retry` met a serialization failure or a deadlock in every one of its attempts; the last is its `cause`. */
export class TransactionConflictError extends QueryFailedError {
  override readonly code = 'TRANSACTION_CONFLICT';
  /** How often it ran. */
  readonly attempts: number;
  constructor(message: string, failure: SqlFailure, options: TenancyErrorOptions & { readonly attempts: number }) {
    super(message, failure, options);
    this.attempts = options.attempts;
  }
}

/** Raised when a COMMIT answered ROLLBACK: a statement's failure was caught inside the transaction, and nothing of it was kept. */
export class TransactionAbortedError extends TenancyError {
  override readonly code = 'TRANSACTION_ABORTED';
}

/** Raised when a transaction is used after it ended or after its connection died. */
export class TransactionOverError extends TenancyError {
  override readonly code = 'TRANSACTION_OVER';
}

/** Raised when an AbortSignal ended a statement, a transaction or a wait, and for what is asked of a scope whose signal has fired. */
export class AbortedError extends TenancyError {
  override readonly code = 'ABORTED';
}

// ── connections ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Raised when a lane's connection died. `sent` says whether the work may have been kept: false is always safe to retry, and `retryable`
 * then.
 *
 * @example
 * ```ts
 * try {
 *   await tenancy.run('acme', () => tenancy.db.insert(products).values({ sku: 'LAMP-1', stock: 10 }));
 * } catch (error) {
 *   if (!(error instanceof LaneLostError)) throw error;
 *   console.error(error.sent ? 'perhaps kept: read before writing again' : 'not kept: write again');
 * }
 * ```
 */
export class LaneLostError extends TenancyError {
  override readonly code = 'LANE_LOST';
  /** Whether the COMMIT may have reached PostgreSQL: true means that nobody knows whether the work was kept. */
  readonly sent: boolean;
  constructor(message: string, options: TenancyErrorOptions & { readonly sent: boolean }) {
    super(message, { retryable: !options.sent, ...options });
    this.sent = options.sent;
  }
}

/** Raised when a migration invalidated a prepared plan. Nothing was kept; the whole unit may be run again. */
export class PlanInvalidatedError extends TenancyError {
  override readonly code = 'PLAN_INVALIDATED';
}

/**
 * Raised when no lane came free in time, or too many wait already; nothing was sent.
 *
 * @example
 * ```ts
 * try {
 *   await tenancy.run('acme', () => tenancy.db.select().from(products));
 * } catch (error) {
 *   if (error instanceof LanesExhaustedError) response.setHeader('retry-after', Math.ceil(error.retryAfterMs / 1000));
 *   throw error;
 * }
 * ```
 */
export class LanesExhaustedError extends TenancyError {
  override readonly code = 'LANES_EXHAUSTED';
  /** When to try again, in milliseconds from now: an estimate from 50 to 5,000. */
  readonly retryAfterMs: number;
  constructor(message: string, options: TenancyErrorOptions & { readonly retryAfterMs: number }) {
    super(message, { retryable: true, ...options });
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Raised when a service login could step over row-level security: superuser, owner or BYPASSRLS, directly or by membership. */
export class LoginRefusedError extends TenancyError {
  override readonly code = 'LOGIN_REFUSED';
}

/** Raised when something is used after `close`. */
export class ClosedError extends TenancyError {
  override readonly code = 'CLOSED';
}

// ── residency, keys, audit ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Raised before a connection opens when a cluster, key or this process stands in a region that the tenant's residency forbids. */
export class ResidencyError extends TenancyError {
  override readonly code = 'RESIDENCY';
  /** Where the cluster, key manager or process stands. */
  readonly region: string;
  /** Where the tenant's data may be: its `dataResidency`. */
  readonly allowedRegions: readonly string[];
  constructor(message: string, options: TenancyErrorOptions & { readonly region: string; readonly allowedRegions: readonly string[] }) {
    super(message, options);
    this.region = options.region;
    this.allowedRegions = options.allowedRegions;
  }
}

/**
 * Why a key manager failed: the eight kinds that every adapter maps its provider's errors to. `throttled` and `unavailable` may pass;
 * `disabled`, `pendingDeletion` and `denied` are decisions; `notFound`, `wrongKey` and `invalidCiphertext` say that the key, or the bytes
 * or their context, are not the ones that belong together (docs/encryption.md, "Keys").
 */
export type KeyManagerFailure =
  | 'throttled'
  | 'unavailable'
  | 'denied'
  | 'disabled'
  | 'pendingDeletion'
  | 'notFound'
  | 'wrongKey'
  | 'invalidCiphertext';

/** Raised when a key manager can't do what was asked; `retryable` when `reason` is `throttled` or `unavailable`. */
export class KeyManagerError extends TenancyError {
  override readonly code = 'KEY_MANAGER';
  /** The same word for every provider. */
  readonly reason: KeyManagerFailure;
  constructor(message: string, options: TenancyErrorOptions & { readonly reason: KeyManagerFailure }) {
    super(message, { retryable: options.reason === 'throttled' || options.reason === 'unavailable', ...options });
    this.reason = options.reason;
  }
}

/** Raised when a ciphertext can't be opened; deliberately one error for every reason (docs/encryption.md, "The stored value"). In a query it is audited. */
export class DecryptionError extends TenancyError {
  override readonly code = 'DECRYPTION';
}

/** Raised when an audit entry can't be written and the work that it must precede was therefore not done. */
export class AuditUnavailableError extends TenancyError {
  override readonly code = 'AUDIT_UNAVAILABLE';
}

// ── control plane ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Raised when the catalog is missing, of another version, or contradicts what is asked. */
export class CatalogError extends TenancyError {
  override readonly code = 'CATALOG';
}

/** Raised when provisioning stopped at `step`; what this run had made in the cluster was dropped, and running it again is safe. */
export class ProvisioningError extends TenancyError {
  override readonly code = 'PROVISIONING';
  /** The `ProvisionStep` that failed. */
  readonly step: string;
  constructor(message: string, options: TenancyErrorOptions & { readonly step: string }) {
    super(message, options);
    this.step = options.step;
  }
}

/** Raised when a migration of one target failed; its transaction was rolled back, and the message names what had been committed before. */
export class MigrationError extends TenancyError {
  override readonly code = 'MIGRATION';
  /** The migration that failed, as its file is named; undefined when the failure came before any began. */
  readonly migration: string | undefined;
  constructor(message: string, options: TenancyErrorOptions & { readonly migration?: string | undefined } = {}) {
    super(message, options);
    this.migration = options.migration;
  }
}

// ── verification ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What of a finding of `verify` an error tells. */
export interface IsolationFinding {
  /** Stable id such as `probe-read`. */
  readonly id: string;
  /** How bad it is. */
  readonly severity: 'info' | 'warning' | 'error' | 'critical';
  /** Cluster, database and the object's qualified name. */
  readonly location: string;
  /** What is wrong there. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy: string;
}

/**
 * Raised by `assertIsolated` when one tenant could do something to another's rows, by `assertEncrypted` when a ciphertext opened outside its
 * place, and by both when nothing could be tried; a test framework
 * prints its message, which lists what got through.
 */
export class IsolationError extends TenancyError {
  override readonly code = 'ISOLATION';
  /** What got through, and what could not be tried. */
  readonly findings: readonly IsolationFinding[];

  constructor(message: string, options: TenancyErrorOptions & { readonly findings: readonly IsolationFinding[] }) {
    super(message, options);
    this.findings = Object.freeze([...options.findings]);
  }
}
