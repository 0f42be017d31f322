import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';
import type { CatalogSession } from '../catalog/catalog-session.ts';
import type { KeyNotice } from './key-notice.ts';

export interface ProcessRegistrationOptions {
  readonly session: CatalogSession;
  /** What people know this process by; its host and pid are added. */
  readonly name: string;
  /** The key managers that it has. */
  readonly providers: readonly string[];
  /** How long keys may live in it when nothing is heard, in milliseconds. */
  readonly keyLifeMs: number;
  /** Follows one notice; resolved means that it is done. */
  readonly follow: (notice: KeyNotice) => Promise<void>;
  /** How often it says that it lives, in milliseconds; 10,000 unless told. */
  readonly everyMs?: number | undefined;
}

const notices = z.array(z.object({ seq: z.coerce.number(), tenant_id: z.string(), kind: z.enum(['reload', 'forget']) }));

/**
 * Makes this process known to the control plane as one that may hold keys, so that what is done to keys is done everywhere before it counts
 * as done. It follows notices when it is told that there are some, and looks for missed ones each time that it says that it lives.
 */
export class ProcessRegistration {
  readonly id = randomUUID();
  readonly #options: ProcessRegistrationOptions;
  readonly #everyMs: number;
  readonly #timer: NodeJS.Timeout;
  #acknowledged: number | undefined;
  #seenAt = -Infinity;
  #running: Promise<void> | undefined;
  #saying: Promise<readonly KeyNotice[]> | undefined;
  #again = false;
  #closed = false;

  constructor(options: ProcessRegistrationOptions) {
    this.#options = Object.freeze({ ...options });
    this.#everyMs = options.everyMs ?? 10_000;
    this.#timer = setInterval(() => this.look(), this.#everyMs).unref();
  }

  /**
   * Resolves when the control plane knows this process: keys that were fetched before could be ones of which nobody would ask it to let go.
   *
   * @throws {CatalogError} when the catalog can't be told
   */
  async ready(): Promise<void> {
    if (performance.now() - this.#seenAt <= 2 * this.#everyMs) return;
    await this.#say();
    this.look();
  }

  /** Looks for notices now. What goes wrong is tried again the next time. */
  look(): void {
    if (this.#closed) return;
    if (this.#running !== undefined) this.#again = true;
    else this.#look().catch(() => {});
  }

  /** Says that this process holds no keys any more. When that can't be said, the control plane waits for them to end. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    await this.#running?.catch(() => {});
    if (this.#acknowledged === undefined) return;
    await this.#options.session
      .query({ doing: 'ending this process’s registration' }, (sql) => sql`select tenancy.end_process(${this.id})`)
      .catch(() => {});
  }

  #look(): Promise<void> {
    this.#running ??= this.#follow().finally(() => {
      this.#running = undefined;
      if (this.#again && !this.#closed) {
        this.#again = false;
        this.look();
      }
    });
    return this.#running;
  }

  async #follow(): Promise<void> {
    for (let told = await this.#say(); told.length > 0 && !this.#closed; told = await this.#say()) {
      // One that can't be followed yet holds up its own word and none of the others.
      let failure: { readonly error: unknown } | undefined;
      for (const notice of told) {
        try {
          await this.#options.follow(notice);
          if (failure === undefined) this.#acknowledged = notice.seq;
        } catch (error) {
          failure ??= { error };
        }
      }
      if (failure !== undefined) throw failure.error;
    }
  }

  #say(): Promise<readonly KeyNotice[]> {
    this.#saying ??= this.#tell().finally(() => {
      this.#saying = undefined;
    });
    return this.#saying;
  }

  async #tell(): Promise<readonly KeyNotice[]> {
    const { session, name, providers, keyLifeMs } = this.#options;
    const saidAt = performance.now();
    const process_ = {
      id: this.id,
      name: `${name}@${hostname()}:${process.pid}`.slice(0, 200),
      // A fetch is let through for as long as the last word is not older than this.
      key_life_ms: Math.ceil(keyLifeMs + 2 * this.#everyMs),
      providers,
      acknowledged: this.#acknowledged ?? null,
    };
    const rows = await session.query(
      { doing: 'keeping this process’s registration' },
      (sql) => sql`select seq, tenant_id, kind from tenancy.keep_process(${JSON.stringify(process_)}::text::jsonb)`,
    );
    this.#seenAt = saidAt;
    this.#acknowledged ??= 0;
    return notices.parse(rows).map(({ seq, tenant_id, kind }) => Object.freeze({ seq, tenantId: tenant_id, kind }));
  }
}
