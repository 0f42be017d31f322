import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError } from '../errors.ts';
import { requireGoing } from './key-parts.ts';

/** How fast rows are worked on. */
export interface PaceOptions {
  /** Rows in one transaction, from 1 to 10,000; 200 unless told. */
  readonly batchSize?: number | undefined;
  /** At most so many rows a second; as many as go unless told. */
  readonly rowsPerSecond?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The pace of work on many rows: so many in a batch, and rests between batches that end when the signal fires. */
export class Pace {
  readonly batchSize: number;
  readonly #rowsPerSecond: number | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #tenantId: string;

  constructor({ batchSize, rowsPerSecond, signal }: PaceOptions, tenantId: string) {
    this.batchSize = batchSize ?? 200;
    this.#rowsPerSecond = rowsPerSecond;
    this.#signal = signal;
    this.#tenantId = tenantId;
  }

  /** @throws {AbortedError} when the signal has fired */
  requireGoing(): void {
    requireGoing(this.#signal, this.#tenantId);
  }

  /** Runs one batch and rests for as long as its rows were too many for the time that it took. */
  async batch(work: () => Promise<number>): Promise<void> {
    this.requireGoing();
    const startedAt = performance.now();
    const rows = await work();
    if (this.#rowsPerSecond !== undefined) await this.rest((rows / this.#rowsPerSecond) * 1_000 - (performance.now() - startedAt));
  }

  /** @throws {AbortedError} when the signal fires meanwhile */
  async rest(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#signal }).catch(() => this.requireGoing());
  }
}

/** @throws {ConfigurationError} when such work can't be done */
export function requirePace(what: string, { batchSize = 200, rowsPerSecond }: PaceOptions): void {
  if (Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= 10_000 && (rowsPerSecond === undefined || rowsPerSecond > 0)) return;
  throw new ConfigurationError(`${what} takes a batchSize from 1 to 10,000 and, where given, a positive rowsPerSecond.`);
}
