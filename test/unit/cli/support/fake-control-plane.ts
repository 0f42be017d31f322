import { type AuditEvent, auditEvent } from '../../../../src/audit/audit-event.ts';
import type { AuditFilter, AuditListFilter } from '../../../../src/audit/audit-filter.ts';
import type { AuditVerifyReport } from '../../../../src/audit/audit-finding.ts';
import type { ChangeOptions, ControlPlane, InitReport, TenantDetails, TenantFilter } from '../../../../src/control-plane.ts';
import { UnknownTenantError } from '../../../../src/errors.ts';
import type { ColumnPlane } from '../../../../src/lifecycle/column-plane.ts';
import type { ColumnBackfill } from '../../../../src/lifecycle/column-reports.ts';
import type {
  KeyMoveOptions,
  KeyMoveReport,
  KeyRotationOptions,
  KeyRotationReport,
  KeyStatus,
  PlatformRewrapReport,
} from '../../../../src/lifecycle/key-reports.ts';
import type { KeyShredOptions, ShredCertificate } from '../../../../src/lifecycle/shred-certificate.ts';
import type { SilentAttemptReport } from '../../../../src/lifecycle/silent-attempts.ts';
import type { MigrateOptions, MigrationReport, MigrationStatus } from '../../../../src/migrate/migration-report.ts';
import type { ProvisionOptions, ProvisionReport } from '../../../../src/provision/provision-report.ts';
import type { Tenant } from '../../../../src/tenant/tenant.ts';
import { parseTenantConfig, residencyOf } from '../../../../src/tenant/tenant-config.ts';
import { defaultTiers } from '../../../../src/tenant/tier.ts';
import type { VerifyReport } from '../../../../src/verify/finding.ts';

const at = new Date('2026-02-03T04:05:06.000Z');

/** The control plane's contract kept in memory: what the CLI prints and how it ends can be tested without a database. */
export class FakeControlPlane implements ControlPlane {
  readonly known = new Map<string, TenantDetails>();
  readonly calls: [method: string, argument?: unknown][] = [];
  closed = false;

  async init(): Promise<InitReport> {
    return {
      catalogVersion: '0003',
      clusters: ['eu-1'],
      serviceCatalogUrl: 'postgres://tenancy_catalog:s3cr3t-c4talog@db.example:5432/tenancy_catalog',
      changed: true,
    };
  }

  async provision(value: unknown, options: ProvisionOptions = {}): Promise<ProvisionReport> {
    const config = parseTenantConfig(value);
    this.calls.push(['provision', options]);
    options.onStep?.('record');
    const created = !this.known.has(config.id);
    const tenant: Tenant = {
      id: config.id,
      name: config.name,
      tier: defaultTiers[config.tier]!,
      region: config.region,
      dataResidency: residencyOf(config),
      status: 'active',
      config,
    };
    const placement = {
      tenantId: config.id,
      clusterId: options.clusterId ?? 'eu-1',
      database: 'tenancy_shared',
      schema: config.id.replaceAll('-', '_'),
      isolation: tenant.tier.isolation,
      epoch: 1,
      schemaVersion: '0001',
    };
    const cluster = {
      id: 'eu-1',
      region: 'eu-west-1',
      host: 'db.example',
      port: 5432,
      rolePrefix: 'tenancy',
      dedicated: false,
      pooled: false,
      maxLanes: 16,
      tls: 'disable' as const,
    };
    this.known.set(config.id, { tenant, placement, cluster, createdAt: at, updatedAt: at });
    options.onStep?.('activate');
    return { tenant, placement, created, durationMs: 12.4 };
  }

  async updateTenant(value: unknown): Promise<Tenant> {
    const { id } = parseTenantConfig(value);
    return (await this.tenant(id)).tenant;
  }

  async setStatus(tenantId: string): Promise<Tenant> {
    return (await this.tenant(tenantId)).tenant;
  }

  async tenants(filter?: TenantFilter): Promise<readonly TenantDetails[]> {
    this.calls.push(['tenants', filter]);
    return [...this.known.values()];
  }

  async tenant(tenantId: string): Promise<TenantDetails> {
    const found = this.known.get(tenantId);
    if (found === undefined)
      throw new UnknownTenantError(`There is no tenant ${tenantId}.`, { tenantId, hint: 'tenancy tenant list shows all.' });
    return found;
  }

  async migrate(options: MigrateOptions = {}): Promise<MigrationReport> {
    this.calls.push(['migrate', options]);
    options.onProgress?.({ done: 1, total: 1, target: 'tenant-a', outcome: 'migrated' });
    return {
      targets: [{ target: 'tenant-a', outcome: 'migrated', applied: ['0001_tables'], durationMs: 5.5, error: undefined }],
      failed: 0,
    };
  }

  async migrationStatus(): Promise<readonly MigrationStatus[]> {
    return [
      { target: 'tenant-a', version: '0001', pending: [] },
      { target: 'tenant-b', version: undefined, pending: ['0001_tables'] },
    ];
  }

  async rotateContextKey(options?: ChangeOptions): Promise<{ keyId: string }> {
    this.calls.push(['rotateContextKey', options]);
    return { keyId: 'k2' };
  }

  async retireContextKeys(options?: ChangeOptions): Promise<{ retired: readonly string[] }> {
    this.calls.push(['retireContextKeys', options]);
    return { retired: ['k1'] };
  }

  async verify(): Promise<VerifyReport> {
    return { findings: [], checked: 42, ok: true };
  }

  async auditEntries(filter?: AuditListFilter): Promise<readonly AuditEvent[]> {
    this.calls.push(['auditEntries', filter]);
    return this.entries;
  }

  async *auditExport(filter?: AuditFilter): AsyncGenerator<AuditEvent> {
    this.calls.push(['auditExport', filter]);
    yield* this.entries;
  }

  async *auditTail(filter: AuditFilter): AsyncGenerator<AuditEvent> {
    this.calls.push(['auditTail', filter]);
    yield* this.entries;
  }

  async auditVerify(options?: Parameters<ControlPlane['auditVerify']>[0]): Promise<AuditVerifyReport> {
    this.calls.push(['auditVerify', options?.anchors]);
    return { findings: [], found: 0, entries: 7, writers: 2, beforeChain: 0, anchors: options?.anchors?.length ?? 0, ok: true };
  }

  async auditSilentAttempts(): Promise<SilentAttemptReport> {
    this.calls.push(['auditSilentAttempts']);
    return { asked: 4, absent: 2, own: 1, foreign: 1, unanswered: 0, forged: 0 };
  }

  get entries(): readonly AuditEvent[] {
    return [
      auditEvent({
        id: 'e-1',
        at,
        action: 'query.policy',
        outcome: 'refused',
        tenantId: 'tenant-a',
        errorCode: '42501',
        reason: 'up\u001b[2Jto\u202eno good',
      }),
    ];
  }

  readonly columns: ColumnPlane = {
    status: async (scope) => {
      this.calls.push(['columns.status', scope]);
      return [];
    },
    backfill: async (options) => {
      this.calls.push(['columns.backfill', options]);
      options.onProgress?.({ tenantId: 'acme', column: 'customers.note', done: 1, total: 1 });
      return { tenants: [{ tenantId: 'acme', columns: [filled()], error: undefined }], failed: 0, done: true };
    },
    contract: async (options) => {
      this.calls.push(['columns.contract', options]);
      const contract = { column: 'customers.note_encrypted', from: 'note', constraint: 'customers_note_adopted', changed: true };
      return { tenants: [{ tenantId: 'acme', columns: [contract], error: undefined }], failed: 0 };
    },
  };

  async keyStatus(tenantId?: string): Promise<readonly KeyStatus[]> {
    this.calls.push(['keyStatus', tenantId]);
    return [];
  }

  async rotateKeys(tenantId: string, options?: KeyRotationOptions): Promise<KeyRotationReport> {
    this.calls.push(['rotateKeys', { tenantId, ...options }]);
    options?.onProgress?.({ column: 'products.iban', done: 1, total: 1 });
    return { tenantId, version: 2, resumed: false, step: 'done', rewritten: 1, remaining: 0, unreadable: 0, retired: [1], waitingFor: [] };
  }

  async destroyRetiredKey(tenantId: string, version: number, options?: object): Promise<void> {
    this.calls.push(['destroyRetiredKey', { tenantId, version, ...options }]);
  }

  async rewrapKeys(tenantId: string, options?: object): Promise<KeyMoveReport> {
    this.calls.push(['rewrapKeys', { tenantId, ...options }]);
    return moved(tenantId);
  }

  async rewrapPlatformKeys(options?: object): Promise<PlatformRewrapReport> {
    this.calls.push(['rewrapPlatformKeys', options]);
    return { tenants: 3, secrets: 5, keks: ['new'], retired: ['old'] };
  }

  async moveKeys(tenantId: string, options?: KeyMoveOptions): Promise<KeyMoveReport> {
    this.calls.push(['moveKeys', { tenantId, ...options }]);
    return moved(tenantId);
  }

  async shredKeys(tenantId: string, options: KeyShredOptions): Promise<ShredCertificate> {
    this.calls.push(['shredKeys', { tenantId, ...options }]);
    const { actor, reason } = options;
    return {
      format: 'tenancy.shred-certificate/1',
      tenantId,
      shreddedAt: at.toISOString(),
      issuedAt: at.toISOString(),
      orderedBy: actor,
      reason,
      forced: false,
      keys: [],
      keks: [],
      processes: { acknowledged: [], expired: [], silent: [] },
      complete: true,
      keyId: 'c1',
      signature: 'c2ln',
    };
  }

  async verifyShredCertificate(certificate: unknown): Promise<boolean> {
    this.calls.push(['verifyShredCertificate', certificate]);
    return true;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

export function filled(changes: Partial<ColumnBackfill> = {}): ColumnBackfill {
  const none = { remaining: 0, unconvertible: 0, conflicting: 0, unreadable: 0, left: [] };
  return { column: 'customers.note_encrypted', encrypted: 7, tagged: 2, ...none, ...changes };
}

function moved(tenantId: string): KeyMoveReport {
  const kek = (keyRef: string) => ({ provider: 'local/eu-west-1', keyRef });
  return { tenantId, rewrapped: 2, from: kek('old'), to: kek('new'), protection: 'software', disabled: [], waitingFor: [] };
}
