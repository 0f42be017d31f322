import type { QuestionBatch, SilentQuestion } from './silent-question.ts';

export interface QuestionSampleOptions {
  /** How many questions of one tenant are kept. */
  readonly perTenant: number;
  /** Of how many tenants. */
  readonly maxTenants: number;
  /** From 0 to below 1; `Math.random` unless told. */
  readonly random?: (() => number) | undefined;
}

interface Reservoir {
  seen: number;
  readonly kept: SilentQuestion[];
}

/**
 * Keeps a bounded number of questions. Each tenant has a room of its own, so that one tenant's flood drowns no other's attempts; where more
 * come than fit, each of them had the same chance to be kept.
 */
export class QuestionSample {
  readonly #options: QuestionSampleOptions;
  readonly #random: () => number;
  #tenants = new Map<string, Reservoir>();
  #missed = 0;

  constructor(options: QuestionSampleOptions) {
    this.#options = Object.freeze({ ...options });
    this.#random = options.random ?? Math.random;
  }

  get empty(): boolean {
    return this.#tenants.size === 0;
  }

  add(question: SilentQuestion): void {
    let reservoir = this.#tenants.get(question.tenantId);
    if (reservoir === undefined) {
      if (this.#tenants.size >= this.#options.maxTenants) {
        this.#missed++;
        return;
      }
      reservoir = { seen: 0, kept: [] };
      this.#tenants.set(question.tenantId, reservoir);
    }
    reservoir.seen++;
    if (reservoir.kept.length < this.#options.perTenant) {
      reservoir.kept.push(question);
      return;
    }
    const place = Math.floor(this.#random() * reservoir.seen);
    if (place < this.#options.perTenant) reservoir.kept[place] = question;
  }

  /** What was kept; the sample is empty afterwards. */
  drain(): QuestionBatch {
    const tenants = [...this.#tenants];
    const missed = this.#missed;
    this.#tenants = new Map();
    this.#missed = 0;
    return {
      questions: tenants.flatMap(([, { kept }]) => kept),
      seen: Object.fromEntries(tenants.map(([tenantId, { seen }]) => [tenantId, seen])),
      missed,
    };
  }
}
