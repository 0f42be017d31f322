import { z } from 'zod';
import type { WrappedKey } from '../kms/key-manager.ts';
import type { CatalogSession } from './catalog-session.ts';

/** A key that signs the platform's certificates. */
export interface CertificateKey {
  readonly keyId: string;
  readonly wrapped: WrappedKey;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Buffer;
}

const keyRow = z.object({
  key_id: z.string(),
  provider: z.string(),
  key_ref: z.string(),
  key_version: z.string().nullable(),
  wrapped: z.instanceof(Buffer),
  public_key: z.instanceof(Buffer),
});

/** The owner's side of `tenancy.certificate_keys`. */
export class CertificateKeyStore {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  async newest(): Promise<CertificateKey | undefined> {
    const [row] = await this.#session.query(
      { doing: 'reading the certificate key' },
      (sql) => sql`select * from tenancy.certificate_keys order by created_at desc, key_id desc limit 1`,
    );
    return row === undefined ? undefined : keyOf(row);
  }

  async find(keyId: string): Promise<CertificateKey | undefined> {
    const [row] = await this.#session.query(
      { doing: 'reading a certificate key' },
      (sql) => sql`select * from tenancy.certificate_keys where key_id = ${keyId}`,
    );
    return row === undefined ? undefined : keyOf(row);
  }

  /** Replaces a key's wrapped bytes, if they are still those. @returns whether they were */
  async rewrap(keyId: string, before: WrappedKey, wrapped: WrappedKey): Promise<boolean> {
    const rows = await this.#session.query(
      { doing: 're-wrapping a certificate key' },
      (sql) => sql`
      update tenancy.certificate_keys set provider = ${wrapped.provider}, key_ref = ${wrapped.keyRef}, key_version = ${wrapped.keyVersion ?? null},
        wrapped = ${wrapped.ciphertext}
      where key_id = ${keyId} and wrapped = ${before.ciphertext} returning key_id`,
    );
    return rows.length > 0;
  }

  /** Records the platform's first; when another process was faster, its key stays. */
  async insertFirst(wrapped: WrappedKey, publicKey: Buffer): Promise<void> {
    await this.#session.query(
      { doing: 'recording the certificate key' },
      (sql) => sql`
      insert into tenancy.certificate_keys (key_id, provider, key_ref, key_version, wrapped, public_key)
      values ('c1', ${wrapped.provider}, ${wrapped.keyRef}, ${wrapped.keyVersion ?? null}, ${wrapped.ciphertext}, ${publicKey}) on conflict do nothing`,
    );
  }
}

function keyOf(row: unknown): CertificateKey {
  const key = keyRow.parse(row);
  return Object.freeze({
    keyId: key.key_id,
    wrapped: Object.freeze({
      provider: key.provider,
      keyRef: key.key_ref,
      keyVersion: key.key_version ?? undefined,
      ciphertext: key.wrapped,
    }),
    publicKey: key.public_key,
  });
}
