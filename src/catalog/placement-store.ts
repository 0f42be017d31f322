import { CatalogError } from '../errors.ts';
import type { CatalogSession } from './catalog-session.ts';
import type { Placement } from './placement.ts';
import { placementOf, placementRow } from './placement-row.ts';

/** A placement as it is first recorded: epoch 1. */
export type NewPlacement = Omit<Placement, 'epoch'>;

/** Where a moved tenant's rows are now. */
export type PlacementTarget = Pick<Placement, 'clusterId' | 'database' | 'schema' | 'isolation'>;

/** The owner's side of `tenancy.placements`. */
export class PlacementStore {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  async find(tenantId: string): Promise<Placement | undefined> {
    const [row] = await this.#session.query(
      { doing: `reading the placement of ${tenantId}`, tenantId },
      (sql) => sql`
      select * from tenancy.placements where tenant_id = ${tenantId}`,
    );
    return row === undefined ? undefined : placementOf(placementRow.parse(row));
  }

  /**
   * Records where a new tenant's rows will be.
   *
   * @throws {CatalogError} when it has a placement already, or another tenant has that schema
   */
  async insert(placement: NewPlacement): Promise<Placement> {
    const [row] = await this.#session.query(
      { doing: `placing the tenant ${placement.tenantId}`, tenantId: placement.tenantId },
      (sql) => sql`
      insert into tenancy.placements (tenant_id, cluster_id, database, schema, isolation, epoch, schema_version)
      values (${placement.tenantId}, ${placement.clusterId}, ${placement.database}, ${placement.schema}, ${placement.isolation}, 1, ${placement.schemaVersion})
      on conflict (tenant_id) do nothing returning *`,
    );
    if (row === undefined) {
      throw new CatalogError(`The tenant ${placement.tenantId} has a placement already.`, {
        tenantId: placement.tenantId,
        hint: 'Move it instead.',
      });
    }
    return placementOf(placementRow.parse(row));
  }

  /** Takes back the placement of a tenant whose provisioning is undone. */
  async remove(tenantId: string): Promise<void> {
    await this.#session.query(
      { doing: `removing the placement of ${tenantId}`, tenantId },
      (sql) => sql`
      delete from tenancy.placements where tenant_id = ${tenantId}`,
    );
  }

  /**
   * Points a tenant at its new place and lets its epoch grow by one.
   *
   * @param fromEpoch the epoch that the move began with
   * @throws {CatalogError} when it has moved since, or has no placement
   */
  async move(tenantId: string, fromEpoch: number, target: PlacementTarget): Promise<Placement> {
    const [row] = await this.#session.query(
      { doing: `moving the tenant ${tenantId}`, tenantId },
      (sql) => sql`
      update tenancy.placements
      set cluster_id = ${target.clusterId}, database = ${target.database}, schema = ${target.schema}, isolation = ${target.isolation}, epoch = epoch + 1
      where tenant_id = ${tenantId} and epoch = ${fromEpoch} returning *`,
    );
    if (row === undefined) {
      throw new CatalogError(`The tenant ${tenantId} is not at epoch ${fromEpoch} any more: it was not moved.`, {
        tenantId,
        hint: 'Read its placement again.',
      });
    }
    return placementOf(placementRow.parse(row));
  }

  /** Records the newest migration that a tenant's tables have. */
  async setSchemaVersion(tenantId: string, version: string): Promise<void> {
    await this.#session.query(
      { doing: `recording the schema version of ${tenantId}`, tenantId },
      (sql) => sql`
      update tenancy.placements set schema_version = ${version} where tenant_id = ${tenantId} and schema_version <> ${version}`,
    );
  }

  /** The same for every tenant of one schema: the `row` placements of a pool. */
  async setSchemaVersionOf(place: Pick<Placement, 'clusterId' | 'database' | 'schema'>, version: string): Promise<void> {
    await this.#session.query(
      { doing: `recording the schema version of ${place.clusterId}/${place.database}/${place.schema}` },
      (sql) => sql`
      update tenancy.placements set schema_version = ${version}
      where cluster_id = ${place.clusterId} and database = ${place.database} and schema = ${place.schema} and schema_version <> ${version}`,
    );
  }
}
