export type { Anchor, AnchorSink } from './audit/anchor-sink.ts';
export type { AuditAction, AuditEvent, AuditOutcome } from './audit/audit-event.ts';
export type { AuditSink } from './audit/audit-sink.ts';
export type { AuditWriter } from './audit/audit-writer.ts';
export type { ChainLink } from './audit/chain-link.ts';
export { FileAnchorSink } from './audit-store/file-anchor-sink.ts';
export { FunctionAnchorSink } from './audit-store/function-anchor-sink.ts';
export { FunctionAuditSink } from './audit-store/function-audit-sink.ts';
export type { SilentAttemptOptions } from './audit-store/question-box.ts';
export type { AuditOptions } from './audit-store/service-auditor.ts';
export { type LineStream, StdoutAuditSink } from './audit-store/stdout-audit-sink.ts';
export type { Cluster } from './catalog/cluster.ts';
export type { Placement } from './catalog/placement.ts';
export type { CredentialsProvider, DatabaseAddress, DatabaseCredentials } from './connection/credentials.ts';
export { type AnonymityClass, type IndexReport, reportIndex } from './crypto/index-report.ts';
export type { Normaliser } from './crypto/normaliser.ts';
export { type BlindIndex, type BlindIndexOptions, blindIndex } from './database/blind-index.ts';
export type { AdoptOptions } from './database/column-adoption.ts';
export type { CopyToOptions } from './database/copy-options.ts';
export { encryptedBytes } from './database/encrypted-bytes.ts';
export type { EncryptedColumnBuilder, EncryptedColumnOptions, IndexedColumnOptions, IndexOption } from './database/encrypted-column.ts';
export { encryptedDate } from './database/encrypted-date.ts';
export { encryptedJson } from './database/encrypted-json.ts';
export { encryptedNumber } from './database/encrypted-number.ts';
export { encryptedText } from './database/encrypted-text.ts';
export type { RawQuery } from './database/raw-query.ts';
export type { RawSql } from './database/raw-sql.ts';
export { type ReferenceTable, referenceTable } from './database/reference-table.ts';
export type { RetryOptions } from './database/retry.ts';
export type { ScopedPgDatabase } from './database/scoped-database.ts';
export type { BatchLoad, LoaderOptions, ScopedLoader } from './database/scoped-loader.ts';
export type { RunTransaction, ScopedPgTransaction, TransactionOptions } from './database/scoped-transaction.ts';
export { type TenantForeignKeyAction, type TenantForeignKeyOptions, tenantForeignKey } from './database/tenant-foreign-key.ts';
export type { TenantIdColumnBuilder } from './database/tenant-id-column.ts';
export { tenantKey } from './database/tenant-key.ts';
export type { TenantQueryResultHKT, TenantRows } from './database/tenant-rows.ts';
export { type TenantColumns, type TenantTable, tenantTable } from './database/tenant-table.ts';
export { type TenantViewBuilder, tenantView } from './database/tenant-view.ts';
export { uniqueWithinTenant } from './database/unique-within-tenant.ts';
export {
  AbortedError,
  AuditUnavailableError,
  CatalogError,
  ClosedError,
  type ConfigIssue,
  ConfigurationError,
  CrossTenantAccessError,
  DecryptionError,
  EncryptedColumnError,
  InvalidTenantIdError,
  IsolationError,
  type IsolationFinding,
  KeyManagerError,
  type KeyManagerFailure,
  LaneLostError,
  LanesExhaustedError,
  LoginRefusedError,
  MigrationError,
  NoTenantError,
  NotSupportedError,
  PlanInvalidatedError,
  PolicyViolationError,
  ProvisioningError,
  QueryFailedError,
  ResidencyError,
  type SqlFailure,
  TenancyError,
  type TenancyErrorOptions,
  TenantConfigError,
  TenantInactiveError,
  TransactionAbortedError,
  TransactionConflictError,
  TransactionOverError,
  UnknownTenantError,
  UnscopedQueryError,
  WrongTenantError,
} from './errors.ts';
export type { KeyCacheOptions } from './keys/service-keys.ts';
export type {
  GeneratedDataKey,
  HsmKeys,
  KeyContext,
  KeyDescription,
  KeyManager,
  KeyManagerCall,
  KeyProtection,
  WrappedKey,
} from './kms/key-manager.ts';
export type { CrossTenantRequest } from './routing/cross-tenant-request.ts';
export { environmentCredentials } from './routing/environment-credentials.ts';
export type { LaneOptions } from './routing/open-postgres-pool.ts';
export type { RunOptions } from './routing/scope-runner.ts';
export type {
  TelemetryAttributes,
  TelemetryCounter,
  TelemetryGauge,
  TelemetryHistogram,
  TelemetryInstrumentOptions,
  TelemetryMeter,
  TelemetryMeterProvider,
  TelemetryObservation,
  TelemetrySpan,
  TelemetrySpanOptions,
  TelemetryTracer,
  TelemetryTracerProvider,
} from './telemetry/open-telemetry.ts';
export type { StatementEvent, StatementLogger, StatementOutcome } from './telemetry/statement-event.ts';
export type { TelemetryOptions } from './telemetry/telemetry-options.ts';
export { createTenancy, type Tenancy, type TenancyOptions } from './tenancy.ts';
export type { Tenant, TenantStatus } from './tenant/tenant.ts';
export { parseTenantConfig, type TenantConfig, type TenantConfigInput } from './tenant/tenant-config.ts';
export { type LocatedConfigIssue, readTenantConfig } from './tenant/tenant-config-file.ts';
export { parseTenantId, schemaNameOf, type TenantId } from './tenant/tenant-id.ts';
export { defaultTiers, type Isolation, type KeyPolicy, type Tier, type Tiers } from './tenant/tier.ts';
