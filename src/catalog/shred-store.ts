import { z } from 'zod';
import type { CatalogSession } from './catalog-session.ts';

/** One wrapped key that was destroyed. */
export interface ShreddedKey {
  readonly purpose: 'data' | 'blind-index';
  readonly version: number;
  readonly provider: string;
  readonly keyRef: string;
  /** SHA-256 of the wrapped bytes, in hex. */
  readonly wrappedSha256: string;
}

/** A tenant whose keys were destroyed. */
export interface StoredShred {
  readonly tenantId: string;
  readonly at: Date;
  readonly actor: string;
  readonly reason: string;
  /** Whether the tenant was still active. */
  readonly forced: boolean;
  /** What the services were told. */
  readonly notice: number;
  readonly keys: readonly ShreddedKey[];
  /** The processes that may have held the keys then. */
  readonly told: readonly { readonly id: string; readonly name: string }[];
}

const shredRow = z.object({
  tenant_id: z.string(),
  at: z.date(),
  actor: z.string(),
  reason: z.string(),
  forced: z.boolean(),
  notice: z.coerce.number(),
  keys: z.array(
    z.object({
      purpose: z.enum(['data', 'blind-index']),
      version: z.number(),
      provider: z.string(),
      keyRef: z.string(),
      wrappedSha256: z.string(),
    }),
  ),
  told: z.array(z.object({ id: z.string(), name: z.string() })),
});

/** The owner's side of `tenancy.key_shreds`. */
export class ShredStore {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  async find(tenantId: string): Promise<StoredShred | undefined> {
    const [row] = await this.#session.query(
      { doing: `reading whether the keys of ${tenantId} were shredded`, tenantId },
      (sql) => sql`select tenant_id, at, actor, reason, forced, notice, keys, told from tenancy.key_shreds where tenant_id = ${tenantId}`,
    );
    if (row === undefined) return undefined;
    const { tenant_id, at, ...rest } = shredRow.parse(row);
    return Object.freeze({ tenantId: tenant_id, at, ...rest });
  }

  async insert(shred: Omit<StoredShred, 'at'>): Promise<void> {
    await this.#session.query(
      { doing: `recording that the keys of ${shred.tenantId} are shredded`, tenantId: shred.tenantId },
      (sql) => sql`
      insert into tenancy.key_shreds (tenant_id, actor, reason, forced, notice, keys, told)
      values (${shred.tenantId}, ${shred.actor}, ${shred.reason}, ${shred.forced}, ${shred.notice}, ${JSON.stringify(shred.keys)}::text::jsonb,
        ${JSON.stringify(shred.told)}::text::jsonb)`,
    );
  }

  /** Keeps the newest certificate beside what it certifies. */
  async keepCertificate(tenantId: string, certificate: object): Promise<void> {
    await this.#session.query(
      { doing: `recording the shredding certificate of ${tenantId}`, tenantId },
      (sql) => sql`update tenancy.key_shreds set certificate = ${JSON.stringify(certificate)}::text::jsonb where tenant_id = ${tenantId}`,
    );
  }
}
