import { KeyLifeStore } from '../catalog/key-life-store.ts';
import type { StoredTenant } from '../catalog/stored-tenant.ts';
import { isServerError, queryError } from '../connection/driver-error.ts';
import { AbortedError, CatalogError, TenancyError } from '../errors.ts';
import { openTenantKeys } from '../keys/open-tenant-keys.ts';
import { ColumnBackfiller } from './column-backfiller.ts';
import { contractColumn } from './column-contractor.ts';
import type { ColumnPlane } from './column-plane.ts';
import type {
  ColumnBackfill,
  ColumnBackfillOptions,
  ColumnBackfillReport,
  ColumnContract,
  ColumnContractOptions,
  ColumnContractReport,
  ColumnScope,
  ColumnStatus,
  TenantColumns,
} from './column-reports.ts';
import { type ColumnSite, columnSites, requireEncryptedWrites } from './column-site.ts';
import { withKeyLock } from './key-lock.ts';
import { type KeyLifeParts, recorded, requireGoing, requireStanding } from './key-parts.ts';
import { type LocatedSite, locateSites } from './located-site.ts';
import { standing } from './migration-plane.ts';
import { Pace, requirePace } from './pace.ts';
import { countRows } from './site-rows.ts';
import { type RowsSession, TenantRows } from './tenant-rows.ts';

type Parts = Pick<KeyLifeParts, 'catalog' | 'tenants' | 'managers' | 'owners' | 'auditor' | 'catalogUrl'>;

/** What happens to encrypted columns of rows that were there before them, tenant after tenant, while services run. */
export class ColumnLife implements ColumnPlane {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async status(scope: ColumnScope): Promise<readonly TenantColumns<ColumnStatus>[]> {
    const sites = columnSites(scope);
    return await this.#each(scope, async (stored) => {
      const statuses: ColumnStatus[] = [];
      await this.#locate(stored, sites, async (rows, located) => {
        for (const site of located) {
          const counts = await rows.transaction(async (sql) => await countRows(sql, site, stored.tenant.id));
          const { adoption } = site.column;
          statuses.push(
            Object.freeze({
              column: site.label,
              adopts: adoption && Object.freeze({ column: adoption.column, write: adoption.write }),
              ...counts,
              contracted: site.contracted === 'yes',
            }),
          );
        }
      });
      return statuses;
    });
  }

  async backfill(options: ColumnBackfillOptions): Promise<ColumnBackfillReport> {
    requirePace('A backfill', options);
    const sites = columnSites(options);
    requireEncryptedWrites(sites);
    const tenants = await this.#each(options, async (stored) => {
      const { id: tenantId } = stored.tenant;
      return await withKeyLock(
        this.#parts.catalogUrl,
        tenantId,
        async () =>
          await recorded(
            this.#parts.auditor,
            { targetTenantId: tenantId, reason: 'backfill columns', actor: options.actor },
            async () => await this.#backfill(stored, sites, options),
            (columns) => ({ encrypted: sum(columns, 'encrypted'), tagged: sum(columns, 'tagged'), left: leftOver(columns) }),
          ),
      );
    });
    const failed = tenants.filter(({ error }) => error !== undefined).length;
    return Object.freeze({ tenants, failed, done: failed === 0 && tenants.every(({ columns }) => leftOver(columns) === 0) });
  }

  async contract(options: ColumnContractOptions): Promise<ColumnContractReport> {
    const sites = columnSites(options).filter(({ column }) => column.adoption !== undefined);
    requireEncryptedWrites(sites);
    const tenants = await this.#each(options, async (stored) => {
      const { id: tenantId } = stored.tenant;
      const what = { targetTenantId: tenantId, reason: 'contract columns', actor: options.actor };
      return await recorded(this.#parts.auditor, what, async () => {
        const contracts: ColumnContract[] = [];
        await this.#locate(stored, sites, async (rows, located) => {
          for (const site of located) contracts.push(await contractColumn(rows, site, tenantId));
        });
        return contracts;
      });
    });
    return Object.freeze({ tenants, failed: tenants.filter(({ error }) => error !== undefined).length });
  }

  async #backfill(stored: StoredTenant, sites: readonly ColumnSite[], options: ColumnBackfillOptions): Promise<readonly ColumnBackfill[]> {
    const { id: tenantId } = stored.tenant;
    const filled: ColumnBackfill[] = [];
    await this.#locate(stored, sites, async (rows, located) => {
      let total = 0;
      for (const site of located) {
        const { plaintext, untagged } = await rows.transaction(async (sql) => await countRows(sql, site, tenantId));
        total += plaintext + untagged;
      }
      // Needs no keys: those of a tenant may have been shredded.
      if (total === 0) return void filled.push(...located.map(nothing));
      const keys = await this.#keys(tenantId);
      try {
        let done = 0;
        for (const site of located) {
          const onFilled = (n: number): void => {
            done += n;
            options.onProgress?.({ tenantId, column: site.label, done, total: Math.max(total, done) });
          };
          filled.push(await new ColumnBackfiller({ rows, keys, site, pace: new Pace(options, tenantId), onFilled }).run());
        }
      } finally {
        keys.destroy();
      }
    });
    return filled;
  }

  /** @throws {CatalogError} when the tenant's keys were shredded */
  async #keys(tenantId: string) {
    const keys = await new KeyLifeStore(this.#parts.catalog).keys(tenantId);
    const current = keys.findLast(({ purpose, state }) => purpose === 'data' && state === 'active');
    if (current === undefined) {
      throw new CatalogError(`The tenant ${tenantId} has no active data key: nothing of it can be encrypted.`, {
        tenantId,
        hint: 'Look at `tenancy keys status`: a tenant whose keys were shredded never gets others.',
      });
    }
    return await openTenantKeys(this.#parts.managers, keys, current.version);
  }

  async #locate(
    { placement }: StoredTenant,
    sites: readonly ColumnSite[],
    work: (rows: RowsSession, located: readonly LocatedSite[]) => Promise<void>,
  ): Promise<void> {
    await new TenantRows(this.#parts.owners, placement!).session(async (rows) => {
      await work(rows, await locateSites(rows.catalogs, placement!.schema, sites));
    });
  }

  /** One tenant after the other; what goes wrong with one is in its report and the others go on. */
  async #each<T>(
    { tenants: named, signal }: Pick<ColumnScope, 'tenants' | 'signal'>,
    work: (stored: StoredTenant) => Promise<readonly T[]>,
  ): Promise<readonly TenantColumns<T>[]> {
    const { tenants } = this.#parts;
    const chosen =
      named === undefined
        ? (await tenants.list()).filter(({ tenant, placement }) => standing(tenant.status) && placement !== undefined)
        : await Promise.all(named.map(async (id) => await tenants.require(id)));
    const reports: TenantColumns<T>[] = [];
    for (const stored of chosen) {
      const tenantId = stored.tenant.id;
      requireGoing(signal, tenantId);
      try {
        requireStanding(stored);
        reports.push(Object.freeze({ tenantId, columns: Object.freeze(await work(stored)), error: undefined }));
      } catch (error) {
        if (error instanceof AbortedError) throw error;
        reports.push(Object.freeze({ tenantId, columns: Object.freeze([]), error: spoken(error, tenantId) }));
      }
    }
    return Object.freeze(reports);
  }
}

/** PostgreSQL's own words may quote a row. */
function spoken(error: unknown, tenantId: string): TenancyError {
  if (error instanceof TenancyError) return error;
  if (isServerError(error)) return queryError(error, tenantId, 'Work on the columns');
  throw error;
}

function nothing({ label: column }: LocatedSite): ColumnBackfill {
  return Object.freeze({ column, encrypted: 0, tagged: 0, remaining: 0, unconvertible: 0, conflicting: 0, unreadable: 0, left: [] });
}

function sum(columns: readonly ColumnBackfill[], count: 'encrypted' | 'tagged'): number {
  return columns.reduce((total, column) => total + column[count], 0);
}

/** Rows that still want something. */
function leftOver(columns: readonly ColumnBackfill[]): number {
  return columns.reduce((total, one) => total + one.remaining + one.unconvertible + one.conflicting + one.unreadable, 0);
}
