import type { LedgerStore, TargetLedger } from '../catalog/ledger-store.ts';
import type { Placement } from '../catalog/placement.ts';
import type { PlacementStore } from '../catalog/placement-store.ts';
import type { TenantStore } from '../catalog/tenant-store.ts';
import type { DatabaseAddress } from '../connection/credentials.ts';
import { UnknownTenantError } from '../errors.ts';
import { migrateTarget } from '../migrate/migrate-target.ts';
import { type AppliedByTarget, migrateTargets } from '../migrate/migrate-targets.ts';
import type { MigrateOptions, MigrationReport, MigrationStatus, MigrationTargetReport } from '../migrate/migration-report.ts';
import type { AppliedMigration, MigrationSource } from '../migrate/migration-source.ts';
import { migrationStatus } from '../migrate/migration-status.ts';
import { type MigrationTarget, referenceSchema } from '../migrate/migration-target.ts';
import { withClient } from '../provision/admin-client.ts';
import type { OwnerAccess } from '../provision/owner-access.ts';
import { installPolicies, installReferencePolicies } from '../rls/install-policies.ts';
import type { TenantStatus } from '../tenant/tenant.ts';

/** What the migration of a platform's tenants works with. */
export interface MigrationPlaneParts {
  readonly tenants: TenantStore;
  readonly placements: PlacementStore;
  readonly ledger: LedgerStore;
  readonly owners: OwnerAccess;
  readonly source: () => Promise<MigrationSource>;
  /** Migrations of schema `reference`, which every tenant database has. */
  readonly reference: () => Promise<MigrationSource>;
}

/** Migrates the platform's tenants: finds the schemas, runs them as their owners, installs policies, keeps the central ledger. */
export class MigrationPlane {
  readonly #parts: MigrationPlaneParts;

  constructor(parts: MigrationPlaneParts) {
    this.#parts = parts;
  }

  /** Brings one placement to the newest migration; what provisioning calls. */
  async migratePlacement(placement: Placement, options: Pick<MigrateOptions, 'signal'> = {}): Promise<MigrationTargetReport> {
    const source = await this.#parts.source();
    const ledger = (await this.#parts.ledger.applied(placement)).map(asApplied);
    return await migrateTarget(await this.#target(placement), source, { ...this.#hooks(source), ...options, ledger });
  }

  /** Brings the reference tables of one database to the newest migration; before its tenants, whose tables may point at them. */
  async migrateReference(address: DatabaseAddress): Promise<MigrationTargetReport> {
    const source = await this.#parts.reference();
    const target = await this.#referenceTarget(address);
    const ledger = (await this.#parts.ledger.applied(target)).map(asApplied);
    return await migrateTarget(target, source, { ...this.#hooks(source), ledger });
  }

  /** Brings many to the newest migration. @throws {UnknownTenantError} when a tenant that is named is not active or suspended */
  async migrate(options: MigrateOptions): Promise<MigrationReport> {
    const placements = onePerSchema(await this.#placements(options));
    const source = await this.#parts.source();
    const targets = await Promise.all(placements.map(async (placement) => await this.#target(placement)));
    const shared = await this.#migrateReferences(placements, options);
    if (shared.failed > 0) return { targets: [...shared.targets, ...targets.map(({ key }) => notStarted(key))], failed: shared.failed };
    const own = await migrateTargets(targets, source, {
      ...options,
      ...this.#hooks(source),
      appliedByTarget: async () => await this.#appliedBy(targets),
    });
    return { targets: [...shared.targets, ...own.targets], failed: own.failed };
  }

  async status(): Promise<readonly MigrationStatus[]> {
    const placements = onePerSchema(await this.#placements({}));
    const own = placements.map((placement) => ({ ...placement, key: keyOf(placement), tenantId: tenantOf(placement) }));
    const shared = onePerDatabase(placements).map((address) => ({ ...placeOfReference(address), tenantId: undefined }));
    const applied = await this.#appliedBy([...shared, ...own]);
    const reference = await this.#parts.reference();
    return [
      ...(reference.migrations.length === 0 ? [] : migrationStatus(shared, reference, applied)),
      ...migrationStatus(own, await this.#parts.source(), applied),
    ];
  }

  /** The reference tables of every database that holds one of the placements; tenants are not touched before they stand. */
  async #migrateReferences(placements: readonly Placement[], options: MigrateOptions): Promise<MigrationReport> {
    const source = await this.#parts.reference();
    if (source.migrations.length === 0) return { targets: [], failed: 0 };
    const targets = await Promise.all(onePerDatabase(placements).map(async (address) => await this.#referenceTarget(address)));
    return await migrateTargets(targets, source, {
      ...options,
      ...this.#hooks(source),
      appliedByTarget: async () => await this.#appliedBy(targets),
    });
  }

  async #referenceTarget({ clusterId, database }: DatabaseAddress): Promise<MigrationTarget> {
    const owner = await this.#parts.owners.of({ clusterId, database });
    return {
      ...placeOfReference({ clusterId, database }),
      isolation: 'row',
      tenantId: undefined,
      ownerUrl: owner.url,
      contextToken: (backendPid) => owner.signer.signMaintenance(backendPid),
    };
  }

  async #placements(options: Pick<MigrateOptions, 'tier' | 'tenants'>): Promise<readonly Placement[]> {
    const stored = (await this.#parts.tenants.list({ tier: options.tier })).filter(({ tenant }) => standing(tenant.status));
    const wanted = options.tenants === undefined ? undefined : new Set(options.tenants);
    for (const id of wanted ?? []) {
      if (!stored.some(({ tenant, placement }) => tenant.id === id && placement !== undefined)) {
        throw new UnknownTenantError(
          `The tenant "${id}" was to be migrated, but the catalog has no such tenant that is active or suspended.`,
          {
            tenantId: id,
            hint: 'Check the id and the tier; one that is still provisioning is migrated by provisioning it again.',
          },
        );
      }
    }
    return stored.flatMap(({ tenant, placement }) =>
      placement === undefined || (wanted !== undefined && !wanted.has(tenant.id)) ? [] : [placement],
    );
  }

  async #target(placement: Placement): Promise<MigrationTarget> {
    const owner = await this.#parts.owners.of(placement);
    const tenantId = tenantOf(placement);
    return {
      key: keyOf(placement),
      clusterId: placement.clusterId,
      database: placement.database,
      schema: placement.schema,
      isolation: placement.isolation,
      tenantId,
      ownerUrl: owner.url,
      contextToken: (backendPid) =>
        tenantId === undefined ? owner.signer.signMaintenance(backendPid) : owner.signer.sign(tenantId, backendPid),
    };
  }

  #hooks(source: MigrationSource) {
    return {
      afterMigrate: async (target: MigrationTarget): Promise<void> => {
        const owner = await this.#parts.owners.of(target);
        const roles = { ownerRole: owner.login, appRole: owner.app };
        await withClient(owner.url, async (sql) => {
          if (target.schema === referenceSchema) await installReferencePolicies(sql, roles);
          else await installPolicies(sql, { schema: target.schema, isolation: target.isolation, tenantId: target.tenantId, ...roles });
        });
      },
      recordLedger: async (target: MigrationTarget, applied: readonly AppliedMigration[]): Promise<void> => {
        await this.#parts.ledger.record(target, applied);
        const newest = source.migrations.filter(({ name }) => applied.some(({ migration }) => migration === name)).at(-1);
        if (newest !== undefined) await this.#parts.placements.setSchemaVersionOf(target, newest.name);
      },
    };
  }

  async #appliedBy(targets: readonly Pick<MigrationTarget, 'key' | 'clusterId' | 'database' | 'schema'>[]): Promise<AppliedByTarget> {
    const ledgers = new Map((await this.#parts.ledger.all()).map((ledger) => [placeOf(ledger), ledger.migrations.map(asApplied)]));
    return new Map(targets.map((target) => [target.key, ledgers.get(placeOf(target)) ?? []]));
  }
}

/** Whether a tenant's database objects are there: while it is provisioned they may be half made, or dropped again. */
export function standing(status: TenantStatus): boolean {
  return status === 'active' || status === 'suspended';
}

/** The databases that hold one of the placements. */
function onePerDatabase(placements: readonly Placement[]): readonly DatabaseAddress[] {
  return [...new Map(placements.map(({ clusterId, database }) => [`${clusterId}/${database}`, { clusterId, database }])).values()];
}

function placeOfReference({ clusterId, database }: DatabaseAddress) {
  return { key: `${clusterId}/${database}/${referenceSchema}`, clusterId, database, schema: referenceSchema };
}

function notStarted(target: string): MigrationTargetReport {
  return { target, outcome: 'skipped', applied: [], durationMs: 0, error: undefined };
}

/** Tenants of a pool share one schema: it is migrated once. */
function onePerSchema(placements: readonly Placement[]): readonly Placement[] {
  return [...new Map(placements.map((placement) => [placeOf(placement), placement])).values()];
}

function tenantOf(placement: Placement): string | undefined {
  return placement.isolation === 'row' ? undefined : placement.tenantId;
}

function keyOf(placement: Placement): string {
  return tenantOf(placement) ?? `${placement.clusterId}/${placement.schema}`;
}

function placeOf({ clusterId, database, schema }: Pick<TargetLedger, 'clusterId' | 'database' | 'schema'>): string {
  return `${clusterId}/${database}/${schema}`;
}

function asApplied({ migration, checksum }: AppliedMigration): AppliedMigration {
  return { migration, checksum };
}
