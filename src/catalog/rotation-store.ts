import { z } from 'zod';
import type { CatalogSession } from './catalog-session.ts';

/** How far the rows of one column have come. */
export interface ColumnProgress {
  /** The primary key of the last row that was looked at, each part as text. */
  readonly after: readonly string[];
  /** How many rows were encrypted anew. */
  readonly rewritten: number;
}

/** Replacing a tenant's data key, as far as it has come. */
export interface StoredRotation {
  readonly tenantId: string;
  /** The version that takes over. */
  readonly version: number;
  /** `published`: services learn to read with it; `current`: they write with it and old rows follow; `done`. */
  readonly step: 'published' | 'current' | 'done';
  /** What the services were told last. */
  readonly notice: number;
  /** By `table.column`. */
  readonly progress: Readonly<Record<string, ColumnProgress>>;
  readonly startedAt: Date;
  readonly finishedAt: Date | undefined;
}

const rotationRow = z.object({
  tenant_id: z.string(),
  version: z.number(),
  step: z.enum(['published', 'current', 'done']),
  notice: z.coerce.number(),
  progress: z.record(z.string(), z.object({ after: z.array(z.string()), rewritten: z.number() })),
  started_at: z.date(),
  finished_at: z.date().nullable(),
});

/** The owner's side of `tenancy.key_rotations`. */
export class RotationStore {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  /** A tenant's newest rotation, also one that is done. */
  async newest(tenantId: string): Promise<StoredRotation | undefined> {
    const [row] = await this.#session.query(
      { doing: `reading the key rotation of ${tenantId}`, tenantId },
      (sql) => sql`
      select tenant_id, version, step, notice, progress, started_at, finished_at from tenancy.key_rotations
      where tenant_id = ${tenantId} order by version desc limit 1`,
    );
    if (row === undefined) return undefined;
    const parsed = rotationRow.parse(row);
    return Object.freeze({
      tenantId: parsed.tenant_id,
      version: parsed.version,
      step: parsed.step,
      notice: parsed.notice,
      progress: parsed.progress,
      startedAt: parsed.started_at,
      finishedAt: parsed.finished_at ?? undefined,
    });
  }

  async begin(tenantId: string, version: number, notice: number, actor: string | undefined): Promise<void> {
    await this.#session.query(
      { doing: `recording a key rotation of ${tenantId}`, tenantId },
      (sql) => sql`
      insert into tenancy.key_rotations (tenant_id, version, step, notice, actor) values (${tenantId}, ${version}, 'published', ${notice}, ${actor ?? null})`,
    );
  }

  async enter(tenantId: string, version: number, step: 'current', notice: number): Promise<void> {
    await this.#session.query(
      { doing: `recording a key rotation of ${tenantId}`, tenantId },
      (sql) =>
        sql`update tenancy.key_rotations set step = ${step}, notice = ${notice} where tenant_id = ${tenantId} and version = ${version}`,
    );
  }

  async keep(tenantId: string, version: number, column: string, progress: ColumnProgress): Promise<void> {
    await this.#session.query(
      { doing: `recording the progress of ${tenantId}`, tenantId },
      (sql) => sql`
      update tenancy.key_rotations set progress = progress || ${JSON.stringify({ [column]: progress })}::text::jsonb
      where tenant_id = ${tenantId} and version = ${version}`,
    );
  }

  async finish(tenantId: string, version: number): Promise<void> {
    await this.#session.query(
      { doing: `recording a key rotation of ${tenantId}`, tenantId },
      (sql) => sql`
      update tenancy.key_rotations set step = 'done', finished_at = clock_timestamp() where tenant_id = ${tenantId} and version = ${version}`,
    );
  }
}
