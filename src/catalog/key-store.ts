import { z } from 'zod';
import { CatalogError } from '../errors.ts';
import type { KeyProtection, WrappedKey } from '../kms/key-manager.ts';
import type { CatalogSession } from './catalog-session.ts';
import type { ContextMaster } from './context-master.ts';
import { contextMasterOf, wrappedTenantKeysOf } from './wrapped-key-row.ts';
import type { WrappedTenantKeys } from './wrapped-tenant-keys.ts';

/** A KEK that the platform or a tenant has in a key manager. */
export interface Kek {
  readonly id: string;
  readonly provider: string;
  readonly keyRef: string;
  readonly region: string;
  readonly protection: KeyProtection;
  /** Whose it is; undefined for the platform's. */
  readonly tenantId: string | undefined;
  readonly createdAt: Date;
}

/** A data key or blind-index secret as it is first recorded. */
export interface NewDataKey {
  readonly tenantId: string;
  readonly purpose: 'data' | 'blind-index';
  readonly version: number;
  readonly kekId: string;
  readonly wrapped: WrappedKey;
}

const kekRow = z.object({
  id: z.string(),
  provider: z.string(),
  key_ref: z.string(),
  region: z.string(),
  protection: z.enum(['software', 'hsm']),
  tenant_id: z.string().nullable(),
  created_at: z.date(),
});

/** The owner's side of `tenancy.keks`, `tenancy.data_keys` and `tenancy.context_masters`. Wrapped keys only: no material. */
export class KeyStore {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  /** The active KEK of a tenant, or the platform's for undefined; the newest where there are several, of one provider where given. */
  async activeKek(tenantId: string | undefined, provider?: string): Promise<Kek | undefined> {
    const [row] = await this.#session.query(
      { doing: `reading the KEK of ${tenantId ?? 'the platform'}`, tenantId },
      (sql) => sql`
      select * from tenancy.keks where tenant_id is not distinct from ${tenantId ?? null} and state = 'active'
        and (${provider ?? null}::text is null or provider = ${provider ?? null}) order by created_at desc limit 1`,
    );
    return row === undefined ? undefined : kekOf(row);
  }

  /** The platform's active KEKs, newest first; services may read them too. */
  async platformKeks(): Promise<readonly Kek[]> {
    const rows = await this.#session.query(
      { doing: 'reading the KEKs of the platform' },
      (sql) => sql`
      select * from tenancy.keks where tenant_id is null and state = 'active' order by created_at desc`,
    );
    return rows.map(kekOf);
  }

  async insertKek(kek: Omit<Kek, 'id' | 'createdAt'>): Promise<Kek> {
    const [row] = await this.#session.query(
      { doing: `recording a KEK of ${kek.tenantId ?? 'the platform'}`, tenantId: kek.tenantId },
      (sql) => sql`
      insert into tenancy.keks (id, provider, key_ref, region, protection, tenant_id, state)
      values (gen_random_uuid(), ${kek.provider}, ${kek.keyRef}, ${kek.region}, ${kek.protection}, ${kek.tenantId ?? null}, 'active') returning *`,
    );
    return kekOf(row);
  }

  /**
   * Records a wrapped data key or blind-index secret.
   *
   * @throws {CatalogError} when the tenant has that version already
   */
  async insertDataKey(key: NewDataKey): Promise<void> {
    const rows = await this.#session.query(
      { doing: `recording a key of ${key.tenantId}`, tenantId: key.tenantId },
      (sql) => sql`
      insert into tenancy.data_keys (tenant_id, purpose, version, kek_id, provider, key_ref, key_version, wrapped, state)
      values (${key.tenantId}, ${key.purpose}, ${key.version}, ${key.kekId}, ${key.wrapped.provider}, ${key.wrapped.keyRef},
        ${key.wrapped.keyVersion ?? null}, ${key.wrapped.ciphertext}, 'active')
      on conflict (tenant_id, purpose, version) do nothing returning version`,
    );
    if (rows.length === 0) {
      throw new CatalogError(
        `The tenant ${key.tenantId} has version ${key.version} of its ${key.purpose} key already: it was not replaced.`,
        {
          tenantId: key.tenantId,
          hint: 'A key that may have encrypted something is never overwritten.',
        },
      );
    }
  }

  /** A tenant's wrapped keys; undefined when it has none. */
  async dataKeys(tenantId: string): Promise<WrappedTenantKeys | undefined> {
    const rows = await this.#session.query(
      { doing: `reading the keys of ${tenantId}`, tenantId },
      (sql) => sql`
      select purpose, version, state, provider, key_ref, key_version, wrapped from tenancy.data_keys where tenant_id = ${tenantId}`,
    );
    return wrappedTenantKeysOf(tenantId, rows);
  }

  /** Which of a tenant's keys are recorded: what provisioning that is run again still has to make. */
  async recordedPurposes(tenantId: string): Promise<ReadonlySet<NewDataKey['purpose']>> {
    const rows = await this.#session.query(
      { doing: `reading the keys of ${tenantId}`, tenantId },
      (sql) => sql<{ purpose: NewDataKey['purpose'] }[]>`
      select distinct purpose from tenancy.data_keys where tenant_id = ${tenantId}`,
    );
    return new Set(rows.map((row) => row.purpose));
  }

  /** Every context master, newest first. */
  async contextMasters(): Promise<readonly ContextMaster[]> {
    const rows = await this.#session.query(
      { doing: 'reading the context masters' },
      (sql) => sql`
      select * from tenancy.context_masters order by created_at desc, key_id desc`,
    );
    return rows.map(contextMasterOf);
  }

  /** Records a context master; the first one given under an id stays. @returns whether it was recorded */
  async insertContextMaster(keyId: string, wrapped: WrappedKey): Promise<boolean> {
    const rows = await this.#session.query(
      { doing: `recording the context master ${keyId}` },
      (sql) => sql`
      insert into tenancy.context_masters (key_id, provider, key_ref, key_version, wrapped)
      values (${keyId}, ${wrapped.provider}, ${wrapped.keyRef}, ${wrapped.keyVersion ?? null}, ${wrapped.ciphertext})
      on conflict (key_id) do nothing returning key_id`,
    );
    return rows.length > 0;
  }

  /** Replaces a context master's wrapped bytes, if they are still those. @returns whether they were */
  async rewrapContextMaster(keyId: string, before: WrappedKey, wrapped: WrappedKey): Promise<boolean> {
    const rows = await this.#session.query(
      { doing: `re-wrapping the context master ${keyId}` },
      (sql) => sql`
      update tenancy.context_masters set provider = ${wrapped.provider}, key_ref = ${wrapped.keyRef}, key_version = ${wrapped.keyVersion ?? null},
        wrapped = ${wrapped.ciphertext}
      where key_id = ${keyId} and wrapped = ${before.ciphertext} returning key_id`,
    );
    return rows.length > 0;
  }

  /**
   * Retires every context master but the newest, once that one is old enough for each service to sign with it and for contexts of the others
   * to have expired.
   *
   * @param graceSeconds how old the newest must be, by the catalog server's clock
   * @returns the ids of those retired now; undefined when the newest is too young
   */
  async retireContextMasters(graceSeconds: number): Promise<readonly string[] | undefined> {
    const [row] = await this.#session.query(
      { doing: 'retiring context masters' },
      (sql) => sql<{ ready: boolean; retired: string[] }[]>`
      with newest as (
        select key_id, created_at < now() - make_interval(secs => ${graceSeconds}) as ready from tenancy.context_masters
        where retired_at is null order by created_at desc, key_id desc limit 1
      ), retired as (
        update tenancy.context_masters m set retired_at = now() from newest
        where newest.ready and m.retired_at is null and m.key_id <> newest.key_id returning m.key_id
      )
      select coalesce((select ready from newest), false) as ready, coalesce((select json_agg(key_id) from retired), '[]'::json) as retired`,
    );
    return row?.ready === true ? row.retired : undefined;
  }
}

/** A row of `tenancy.keks`. */
export function kekOf(row: unknown): Kek {
  const kek = kekRow.parse(row);
  return Object.freeze({
    id: kek.id,
    provider: kek.provider,
    keyRef: kek.key_ref,
    region: kek.region,
    protection: kek.protection,
    tenantId: kek.tenant_id ?? undefined,
    createdAt: kek.created_at,
  });
}
