import { z } from 'zod';
import { CatalogError } from '../errors.ts';
import type { WrappedKey } from '../kms/key-manager.ts';
import type { CatalogSession } from './catalog-session.ts';
import { type Kek, kekOf } from './key-store.ts';

/** Where a data key is in its life: readable, written with, or out of use. */
export type DataKeyState = 'pending' | 'active' | 'retired';

/** One wrapped key of a tenant, as the catalog has it. */
export interface StoredKey {
  readonly tenantId: string;
  readonly purpose: 'data' | 'blind-index';
  readonly version: number;
  readonly state: DataKeyState;
  readonly kekId: string;
  readonly wrapped: WrappedKey;
  readonly createdAt: Date;
}

/** A KEK with its place in its life. Its protection is what was asked for; the key manager says what protects it in truth. */
export interface StoredKek extends Kek {
  readonly state: z.infer<typeof kekState>;
}

/** Wrapped bytes that take the place of others of the same key. */
export interface Rewrapped {
  readonly before: StoredKey;
  readonly wrapped: WrappedKey;
  readonly kekId: string;
}

const keyRow = z.object({
  tenant_id: z.string(),
  purpose: z.enum(['data', 'blind-index']),
  version: z.number(),
  state: z.enum(['pending', 'active', 'retired']),
  kek_id: z.string(),
  provider: z.string(),
  key_ref: z.string(),
  key_version: z.string().nullable(),
  wrapped: z.instanceof(Buffer),
  created_at: z.date(),
});
const kekState = z.enum(['pending', 'active', 'retired', 'destroyed']);

/** The owner's side of the keys' later life: versions, re-wrapping, KEKs that come and go. Wrapped keys only: no material. */
export class KeyLifeStore {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  /** A tenant's wrapped keys, oldest version first. */
  async keys(tenantId: string): Promise<readonly StoredKey[]> {
    const rows = await this.#session.query(
      { doing: `reading the keys of ${tenantId}`, tenantId },
      (sql) => sql`select * from tenancy.data_keys where tenant_id = ${tenantId} order by purpose desc, version`,
    );
    return rows.map(storedKeyOf);
  }

  /** A tenant's own KEKs and those that wrap its keys, newest first; the platform's for undefined. */
  async keks(tenantId: string | undefined): Promise<readonly StoredKek[]> {
    const rows = await this.#session.query(
      { doing: `reading the KEKs of ${tenantId ?? 'the platform'}`, tenantId },
      (sql) => sql`
      select k.* from tenancy.keks k
      where k.tenant_id is not distinct from ${tenantId ?? null}
        or exists (select from tenancy.data_keys d where d.kek_id = k.id and d.tenant_id = ${tenantId ?? null})
      order by k.created_at desc`,
    );
    return rows.map(storedKekOf);
  }

  /** The tenants with keys that a KEK wraps. */
  async tenantsUnder(kekId: string): Promise<readonly string[]> {
    const rows = await this.#session.query(
      { doing: 'reading whose keys a KEK wraps' },
      (sql) => sql<{ tenant_id: string }[]>`select distinct tenant_id from tenancy.data_keys where kek_id = ${kekId} order by 1`,
    );
    return rows.map((row) => row.tenant_id);
  }

  /** Records a KEK that nothing is wrapped by yet. */
  async insertPendingKek(kek: Omit<Kek, 'id' | 'createdAt'>): Promise<StoredKek> {
    const [row] = await this.#session.query(
      { doing: `recording a KEK of ${kek.tenantId ?? 'the platform'}`, tenantId: kek.tenantId },
      (sql) => sql`
      insert into tenancy.keks (provider, key_ref, region, protection, tenant_id, state)
      values (${kek.provider}, ${kek.keyRef}, ${kek.region}, ${kek.protection}, ${kek.tenantId ?? null}, 'pending') returning *`,
    );
    return storedKekOf(row);
  }

  async setKekState(kekId: string, state: StoredKek['state']): Promise<void> {
    await this.#session.query(
      { doing: 'recording the state of a KEK' },
      (sql) => sql`update tenancy.keks set state = ${state} where id = ${kekId} and state <> ${state}`,
    );
  }

  /** Records a data key version that is read with and not written with yet. */
  async insertPendingKey(key: Pick<StoredKey, 'tenantId' | 'version' | 'kekId' | 'wrapped'>): Promise<void> {
    await this.#session.query(
      { doing: `recording a data key of ${key.tenantId}`, tenantId: key.tenantId },
      (sql) => sql`
      insert into tenancy.data_keys (tenant_id, purpose, version, kek_id, provider, key_ref, key_version, wrapped, state)
      values (${key.tenantId}, 'data', ${key.version}, ${key.kekId}, ${key.wrapped.provider}, ${key.wrapped.keyRef},
        ${key.wrapped.keyVersion ?? null}, ${key.wrapped.ciphertext}, 'pending')`,
    );
  }

  /** Takes data key versions of a tenant to a state. @returns those that were in another */
  async setKeyState(tenantId: string, versions: readonly number[], state: DataKeyState): Promise<readonly number[]> {
    const rows = await this.#session.query(
      { doing: `recording the state of keys of ${tenantId}`, tenantId },
      (sql) => sql<{ version: number }[]>`
      update tenancy.data_keys set state = ${state}
      where tenant_id = ${tenantId} and purpose = 'data' and version = any(string_to_array(${versions.join(',')}, ',')::int[]) and state <> ${state}
      returning version`,
    );
    return rows.map((row) => row.version).sort((a, b) => a - b);
  }

  /**
   * Replaces wrapped bytes. Called in a transaction: all of them or none.
   *
   * @throws {CatalogError} retryable, when one of them is not what it was when it was read
   */
  async rewrap(keys: readonly Rewrapped[]): Promise<void> {
    for (const { before, wrapped, kekId } of keys) {
      const { tenantId, purpose, version } = before;
      const rows = await this.#session.query(
        { doing: `re-wrapping a key of ${tenantId}`, tenantId },
        (sql) => sql`
        update tenancy.data_keys set kek_id = ${kekId}, provider = ${wrapped.provider}, key_ref = ${wrapped.keyRef},
          key_version = ${wrapped.keyVersion ?? null}, wrapped = ${wrapped.ciphertext}
        where tenant_id = ${tenantId} and purpose = ${purpose} and version = ${version} and wrapped = ${before.wrapped.ciphertext} returning version`,
      );
      if (rows.length === 0) {
        throw new CatalogError(`Another process changed the keys of the tenant ${tenantId} meanwhile: none was replaced.`, {
          tenantId,
          retryable: true,
          hint: 'Run it again.',
        });
      }
    }
  }

  /** Deletes a retired data key version. @returns whether there was one */
  async deleteRetired(tenantId: string, version: number): Promise<boolean> {
    const rows = await this.#session.query(
      { doing: `destroying a key of ${tenantId}`, tenantId },
      (sql) => sql`
      delete from tenancy.data_keys
      where tenant_id = ${tenantId} and purpose = 'data' and version = ${version} and state = 'retired' returning version`,
    );
    return rows.length > 0;
  }

  /** Deletes all of a tenant's wrapped keys. @returns what there was */
  async deleteAll(tenantId: string): Promise<readonly StoredKey[]> {
    const rows = await this.#session.query(
      { doing: `shredding the keys of ${tenantId}`, tenantId },
      (sql) => sql`delete from tenancy.data_keys where tenant_id = ${tenantId} returning *`,
    );
    return rows.map(storedKeyOf);
  }
}

function storedKeyOf(row: unknown): StoredKey {
  const key = keyRow.parse(row);
  return Object.freeze({
    tenantId: key.tenant_id,
    purpose: key.purpose,
    version: key.version,
    state: key.state,
    kekId: key.kek_id,
    wrapped: Object.freeze({
      provider: key.provider,
      keyRef: key.key_ref,
      keyVersion: key.key_version ?? undefined,
      ciphertext: key.wrapped,
    }),
    createdAt: key.created_at,
  });
}

function storedKekOf(row: unknown): StoredKek {
  return Object.freeze({ ...kekOf(row), state: z.object({ state: kekState }).parse(row).state });
}
