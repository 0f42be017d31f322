import type { TransactionSql } from 'postgres';
import { KeyLifeStore } from '../catalog/key-life-store.ts';
import type { Placement } from '../catalog/placement.ts';
import { ProcessStore } from '../catalog/process-store.ts';
import { RotationStore, type StoredRotation } from '../catalog/rotation-store.ts';
import type { StoredTenant } from '../catalog/stored-tenant.ts';
import type { TenantKeys } from '../crypto/tenant-keys.ts';
import { CatalogError } from '../errors.ts';
import { dataContext } from '../keys/key-context.ts';
import { openTenantKeys, requireSameKey } from '../keys/open-tenant-keys.ts';
import { type BytesColumn, lockForCounting, rewriteBatch, valuesByVersion } from './encrypted-column-rows.ts';
import { withKeyLock } from './key-lock.ts';
import { followed, type KeyLifeParts, recorded, requireStanding } from './key-parts.ts';
import type { KeyRotationOptions, KeyRotationReport } from './key-reports.ts';
import { Pace, requirePace } from './pace.ts';
import { TenantRows } from './tenant-rows.ts';

interface Rewriting {
  readonly rewritten: number;
  readonly remaining: number;
  readonly unreadable: number;
}

/** How often all rows are looked at: each pass but the first finds what others wrote or held meanwhile. */
const maxPasses = 20;

/**
 * Replaces a tenant's data key while services run. Each step is recorded before the next begins, so that running it again goes on:
 *
 * 1. `published`: the new version is in the catalog as one to read with. It goes on when every process that may hold keys has it.
 * 2. `current`: services write with it as soon as they hear of it; rows follow in the background, a batch a transaction.
 * 3. `done`: no row has an older version and no process writes with one; the older ones are retired.
 */
export class KeyRotation {
  readonly #parts: KeyLifeParts;
  readonly #keys: KeyLifeStore;
  readonly #rotations: RotationStore;
  readonly #processes: ProcessStore;

  constructor(parts: KeyLifeParts) {
    this.#parts = parts;
    this.#keys = new KeyLifeStore(parts.catalog);
    this.#rotations = new RotationStore(parts.catalog);
    this.#processes = new ProcessStore(parts.catalog);
  }

  /**
   * @throws {CatalogError} when the tenant is not active or suspended, or another process changes its keys
   * @throws {AbortedError} when the signal fired; what was rewritten is kept
   */
  async rotate(tenantId: string, options: KeyRotationOptions = {}): Promise<KeyRotationReport> {
    requirePace('A rotation', options);
    const stored = await this.#parts.tenants.require(tenantId);
    requireStanding(stored);
    return await withKeyLock(this.#parts.catalogUrl, tenantId, async () => {
      const what = { targetTenantId: tenantId, reason: 'rotate', actor: options.actor };
      return await recorded(
        this.#parts.auditor,
        what,
        async () => await this.#rotate(stored, options),
        ({ version, step, rewritten, remaining }) => ({ version, step, rewritten, remaining }),
      );
    });
  }

  /**
   * Destroys a retired version. A last look makes sure that no value has it: the tables can't be written to meanwhile.
   *
   * @throws {CatalogError} when there is no such retired version, or a value still has it
   */
  async destroyRetired(tenantId: string, version: number, actor: string | undefined): Promise<void> {
    const stored = await this.#parts.tenants.require(tenantId);
    requireStanding(stored);
    await withKeyLock(this.#parts.catalogUrl, tenantId, async () => {
      await recorded(this.#parts.auditor, { targetTenantId: tenantId, reason: 'destroy', actor }, async () => {
        const key = (await this.#keys.keys(tenantId)).find((one) => one.purpose === 'data' && one.version === version);
        if (key?.state !== 'retired') {
          throw new CatalogError(`The tenant ${tenantId} has no retired data key of version ${version}.`, {
            tenantId,
            hint: 'Look at `tenancy keys status`.',
          });
        }
        await new TenantRows(this.#parts.owners, stored.placement!).session(async (rows) => {
          const columns = await rows.columns();
          await rows.transaction(async (sql) => {
            for (const of of columns) await refuseValues(sql, tenantId, of, version);
            await this.#keys.deleteRetired(tenantId, version);
          });
        });
      });
    });
  }

  async #rotate({ tenant: { id: tenantId }, placement }: StoredTenant, options: KeyRotationOptions): Promise<KeyRotationReport> {
    const before = await this.#rotations.newest(tenantId);
    const resumed = before !== undefined && before.step !== 'done';
    if (!resumed) await this.#publish(tenantId, options.actor);
    let rotation = (await this.#rotations.newest(tenantId))!;
    const reportOf = (rest: Partial<KeyRotationReport>): KeyRotationReport =>
      Object.freeze({
        tenantId,
        version: rotation.version,
        resumed,
        step: rotation.step,
        rewritten: 0,
        remaining: 0,
        unreadable: 0,
        retired: [],
        waitingFor: [],
        ...rest,
      });
    if (rotation.step === 'published') {
      const waitingFor = await followed(this.#processes, rotation.notice, options);
      if (waitingFor.length > 0) return reportOf({ waitingFor });
      await this.#makeCurrent(rotation);
      rotation = (await this.#rotations.newest(tenantId))!;
    }
    // Before the rows, so that as few as may be are written with an older version behind our back. Nobody who is silent holds them up.
    await followed(this.#processes, rotation.notice, options);
    const rows = await this.#rewrite(placement!, rotation, options);
    const waitingFor = await this.#processes.silent(rotation.notice);
    if (rows.remaining > 0 || waitingFor.length > 0) return reportOf({ ...rows, waitingFor });
    const retired = await this.#finish(rotation);
    return reportOf({ ...rows, step: 'done', retired });
  }

  /** The new version, wrapped by the KEK that wraps the current one; in one transaction with what the services are told. */
  async #publish(tenantId: string, actor: string | undefined): Promise<void> {
    const keys = (await this.#keys.keys(tenantId)).filter(({ purpose }) => purpose === 'data');
    const current = keys.findLast(({ state }) => state === 'active');
    if (current === undefined) throw new CatalogError(`The tenant ${tenantId} has no data key to replace.`, { tenantId });
    const version = Math.max(...keys.map((key) => key.version)) + 1;
    const manager = this.#parts.managers.for(current.wrapped.provider);
    const { key, wrapped } = await manager.generateDataKey(current.wrapped.keyRef, dataContext(tenantId));
    await requireSameKey(manager, wrapped, dataContext(tenantId), key);
    await this.#parts.catalog.transaction({ doing: `publishing a data key of ${tenantId}`, tenantId }, async (session) => {
      await new KeyLifeStore(session).insertPendingKey({ tenantId, version, kekId: current.kekId, wrapped });
      const notice = await new ProcessStore(session).tell(tenantId, 'reload');
      await new RotationStore(session).begin(tenantId, version, notice, actor);
    });
  }

  async #makeCurrent({ tenantId, version }: StoredRotation): Promise<void> {
    await this.#parts.catalog.transaction({ doing: `making a data key of ${tenantId} current`, tenantId }, async (session) => {
      await new KeyLifeStore(session).setKeyState(tenantId, [version], 'active');
      const notice = await new ProcessStore(session).tell(tenantId, 'reload');
      await new RotationStore(session).enter(tenantId, version, 'current', notice);
    });
  }

  async #finish({ tenantId, version }: StoredRotation): Promise<readonly number[]> {
    const older = (await this.#keys.keys(tenantId))
      .filter((key) => key.purpose === 'data' && key.version < version)
      .map((key) => key.version);
    return await this.#parts.catalog.transaction({ doing: `retiring data keys of ${tenantId}`, tenantId }, async (session) => {
      const retired = await new KeyLifeStore(session).setKeyState(tenantId, older, 'retired');
      await new RotationStore(session).finish(tenantId, version);
      return retired;
    });
  }

  async #rewrite(placement: Placement, rotation: StoredRotation, options: KeyRotationOptions): Promise<Rewriting> {
    const { tenantId, version } = rotation;
    const keys = await openTenantKeys(this.#parts.managers, await this.#keys.keys(tenantId), version);
    try {
      return await new TenantRows(this.#parts.owners, placement).session(async (rows) => {
        const columns = await rows.columns();
        const before = Object.values(rotation.progress).reduce((sum, { rewritten }) => sum + rewritten, 0);
        let total = before;
        for (const of of columns) for (const [at, n] of await rows.values(of)) if (at < version) total += n;
        let done = before;
        const sums = { remaining: 0, unreadable: 0 };
        for (const of of columns) {
          const result = await this.#rewriteColumn(rows, keys, of, rotation, options, (column, n) => {
            done += n;
            options.onProgress?.({ column, done, total: Math.max(total, done) });
          });
          sums.remaining += result.remaining;
          sums.unreadable += result.unreadable;
        }
        return { rewritten: done, ...sums };
      });
    } finally {
      keys.destroy();
    }
  }

  /** Passes over a column until one finds nothing to do. The first goes on where the last run was. */
  async #rewriteColumn(
    rows: Parameters<Parameters<TenantRows['session']>[0]>[0],
    keys: TenantKeys,
    of: BytesColumn,
    rotation: StoredRotation,
    options: KeyRotationOptions,
    onRewritten: (column: string, n: number) => void,
  ): Promise<Pick<Rewriting, 'remaining' | 'unreadable'>> {
    const { tenantId, version } = rotation;
    const name = `${of.table}.${of.column}`;
    const kept = rotation.progress[name];
    let rewritten = kept?.rewritten ?? 0;
    let after: readonly string[] | undefined =
      kept === undefined || kept.after.length !== of.key.length || kept.after.length === 0 ? undefined : kept.after;
    const pace = new Pace(options, tenantId);
    for (let pass = 1; ; pass++) {
      const whole = after === undefined;
      const found = { rewritten: 0, left: 0, unreadable: 0 };
      do {
        await pace.batch(async () => {
          const batch = await rows.transaction(async (sql) => await rewriteBatch(sql, keys, of, after, pace.batchSize));
          for (const count of ['rewritten', 'left', 'unreadable'] as const) found[count] += batch[count];
          rewritten += batch.rewritten;
          after = batch.last;
          await this.#rotations.keep(tenantId, version, name, { after: after ?? [], rewritten });
          if (batch.rewritten > 0) onRewritten(name, batch.rewritten);
          return batch.rewritten;
        });
      } while (after !== undefined);
      const { unreadable } = found;
      if (whole && found.rewritten === 0 && found.left === 0) return { remaining: 0, unreadable };
      if (pass === maxPasses) return { remaining: found.left + found.rewritten, unreadable };
      if (found.left > 0) await pace.rest(200);
    }
  }
}

async function refuseValues(sql: TransactionSql, tenantId: string, of: BytesColumn, version: number): Promise<void> {
  await lockForCounting(sql, of);
  const n = (await valuesByVersion(sql, tenantId, of)).get(version) ?? 0;
  if (n === 0) return;
  throw new CatalogError(`${n} values of ${of.table}.${of.column} of tenant ${tenantId} have version ${version}: it was not destroyed.`, {
    tenantId,
    hint: 'Rotate the key once more: that rewrites them.',
  });
}
