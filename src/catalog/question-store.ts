import type { CatalogSession } from './catalog-session.ts';

/** A batch of questions as a service handed it over. */
export interface SealedBatch {
  readonly seq: string;
  readonly sealed: Buffer;
}

/** The owner's side of `tenancy.silent_questions`. */
export class QuestionStore {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  /** The oldest batches that nobody else has taken; they are the transaction's until it ends. */
  async take(limit: number): Promise<readonly SealedBatch[]> {
    return await this.#session.query(
      { doing: 'reading silent attempts' },
      (sql) => sql<SealedBatch[]>`
      select seq::text, sealed from tenancy.silent_questions order by seq limit ${limit} for update skip locked`,
    );
  }

  async remove(batches: readonly SealedBatch[]): Promise<void> {
    const seqs = batches.map(({ seq }) => seq);
    await this.#session.query(
      { doing: 'removing silent attempts' },
      (sql) => sql`delete from tenancy.silent_questions where seq = any (string_to_array(${seqs.join(',')}, ',')::bigint[])`,
    );
  }

  /** What keys are fingerprinted with. */
  async fingerprintKey(): Promise<Buffer> {
    const [row] = await this.#session.query(
      { doing: 'reading the key of fingerprints' },
      (sql) => sql<{ key: Buffer }[]>`select key from tenancy.silent_fingerprint_key`,
    );
    return row!.key;
  }
}
