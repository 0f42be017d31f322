import { QuestionSample } from '../audit/question-sample.ts';
import type { SilentQuestion } from '../audit/silent-question.ts';
import type { CatalogSession } from '../catalog/catalog-session.ts';
import { KeyStore } from '../catalog/key-store.ts';
import { CatalogError, ConfigurationError } from '../errors.ts';
import { silentAttemptContext } from '../keys/key-context.ts';
import { sealSecret } from '../keys/sealed-secret.ts';
import type { KeyManagers } from '../kms/key-managers.ts';

/** How attempts that row-level security answered with nothing are looked for; docs/audit.md, "Silent attempts". */
export interface SilentAttemptOptions {
  /** How long questions are gathered before they are handed over, in milliseconds, up to an hour; 5,000 unless told. */
  readonly everyMs?: number | undefined;
  /** How many of one tenant are kept each time, up to 100; 10 unless told. Where more come, a fair sample of them is. */
  readonly perTenant?: number | undefined;
}

export interface QuestionBoxOptions extends SilentAttemptOptions {
  readonly session: CatalogSession;
  readonly managers: KeyManagers;
  /** Hears of questions that could not be handed over: they are lost. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

const maxTenants = 100;
/** A batch is kept in one row of the catalog, of 4 MiB at most. */
const mostPerTenant = 100;
const longestMs = 3_600_000;

/** Gathers questions and hands them to the catalog, sealed: whoever asked has gone on long before, and never hears an answer. */
export class QuestionBox {
  readonly #options: QuestionBoxOptions;
  readonly #everyMs: number;
  readonly #sample: QuestionSample;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> = Promise.resolve();
  #closed = false;

  /** @throws {ConfigurationError} when a time or a number can't be used */
  constructor(options: QuestionBoxOptions) {
    const { everyMs = 5_000, perTenant = 10 } = options;
    if (!(everyMs >= 1 && everyMs <= longestMs) || !(Number.isInteger(perTenant) && perTenant >= 1 && perTenant <= mostPerTenant)) {
      throw new ConfigurationError('Silent attempts can’t be noted like this.', {
        hint: `Give everyMs from 1 to ${longestMs} and perTenant as a whole number from 1 to ${mostPerTenant}.`,
      });
    }
    this.#options = Object.freeze({ ...options });
    this.#everyMs = everyMs;
    this.#sample = new QuestionSample({ perTenant, maxTenants });
  }

  ask(question: SilentQuestion): void {
    if (this.#closed) return;
    this.#sample.add(question);
    this.#schedule();
  }

  /** Hands over what waits. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#sending;
    await this.#send();
  }

  /** Only one hand-over at a time, however slow the catalog is: meanwhile the sample stays as small as it is. */
  #schedule(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#sending = this.#send().finally(() => {
        this.#timer = undefined;
        if (!this.#sample.empty && !this.#closed) this.#schedule();
      });
    }, this.#everyMs);
    this.#timer.unref();
  }

  async #send(): Promise<void> {
    if (this.#sample.empty) return;
    const { session, managers } = this.#options;
    const batch = JSON.stringify(this.#sample.drain());
    try {
      const kek = (await new KeyStore(session).platformKeks()).find(({ provider }) => managers.has(provider));
      if (kek === undefined) throw new CatalogError('The catalog has no platform key of a key manager that was given here.');
      const sealed = await sealSecret(managers.for(kek.provider), kek.keyRef, silentAttemptContext, batch);
      await session.query({ doing: 'handing over silent attempts' }, (sql) => sql`select tenancy.ask_silent(${sealed})`);
    } catch (error) {
      this.#options.onError?.(error);
    }
  }
}
