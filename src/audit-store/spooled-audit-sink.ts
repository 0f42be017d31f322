import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditEvent } from '../audit/audit-event.ts';
import type { AuditSink } from '../audit/audit-sink.ts';
import type { AuditWriter } from '../audit/audit-writer.ts';
import { ClosedError, TenancyError } from '../errors.ts';
import { HeldFileLock } from './held-file-lock.ts';
import { SpoolFile } from './spool-file.ts';
import { isAway, SpoolReplay } from './spool-replay.ts';

export interface SpooledAuditSinkOptions {
  /** What entries are kept in while it is there; must be idempotent by the entries' ids. */
  readonly inner: AuditSink;
  readonly directory: string;
  /** 256 MiB unless told. */
  readonly maxBytes?: number | undefined;
  /** How long the inner sink may take before entries go to the spool, in milliseconds; 3,000 unless told. */
  readonly patienceMs?: number | undefined;
  /** How often the directory is searched for what other processes left, in milliseconds; 10,000 unless told. */
  readonly searchEveryMs?: number | undefined;
  readonly onError?: ((error: unknown, sink: string) => void) | undefined;
}

/** A spool file that this process writes, its lock, and how far it was delivered. */
interface OwnSpool {
  readonly file: SpoolFile;
  readonly lock: HeldFileLock;
  readonly replay: SpoolReplay;
}

const ending = '.spool';

/**
 * Keeps entries in a file while the sink behind it is away, and delivers them in order once it is back: its own and those that processes
 * left behind that have ended. An entry counts as kept when it is on disk.
 */
export class SpooledAuditSink implements AuditSink {
  readonly name: string;
  readonly redeliver = true;
  readonly #options: SpooledAuditSinkOptions;
  #writer: AuditWriter | undefined;
  #own: OwnSpool | undefined;
  #files = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #replaying: Promise<void> | undefined;
  #searching: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  readonly #search: NodeJS.Timeout;
  #failures = 0;
  #closed = false;

  constructor(options: SpooledAuditSinkOptions) {
    this.#options = Object.freeze({ ...options });
    this.name = options.inner.name;
    const search = (): void => {
      this.#searching ??= this.#recover().finally(() => {
        this.#searching = undefined;
      });
    };
    this.#search = setInterval(search, options.searchEveryMs ?? 10_000);
    this.#search.unref();
    search();
  }

  get #patienceMs(): number {
    return this.#options.patienceMs ?? 3_000;
  }

  begin(writer: AuditWriter): void {
    this.#writer = writer;
    this.#options.inner.begin?.(writer);
  }

  /**
   * @throws {ClosedError} after close
   * @throws {TenancyError} `retryable`, when the sink behind it is away and the spool is full or can't be written
   */
  async write(events: readonly AuditEvent[]): Promise<void> {
    if (this.#closed) throw new ClosedError('An audit entry was given to the sink after close.');
    // While something waits in the spool everything goes there: order is kept.
    if (this.#own === undefined) {
      try {
        await this.#direct(events);
        return;
      } catch (error) {
        if (!isAway(error)) throw error;
      }
    }
    await this.#inTurn(async () => await this.#spool(events));
    this.#replayAfter(0);
  }

  /** Delivers what is left if the sink behind it is there and does not take long; else the next process does. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#search);
    clearTimeout(this.#retry);
    const deadline = new AbortController();
    await Promise.race([this.#finish(), sleep(this.#patienceMs, undefined, { signal: deadline.signal }).catch(() => {})]);
    deadline.abort();
    const own = this.#own;
    this.#own = undefined;
    await own?.file.close();
    await own?.lock.release();
    await this.#options.inner.close();
  }

  async #finish(): Promise<void> {
    await this.#searching;
    await this.#replaying;
    await this.#replayOwn();
  }

  async #direct(events: readonly AuditEvent[]): Promise<void> {
    const patienceMs = this.#patienceMs;
    const deadline = new AbortController();
    try {
      await Promise.race([
        this.#options.inner.write(events),
        sleep(patienceMs, undefined, { signal: deadline.signal }).then(() => {
          throw new TenancyError(`The audit log took longer than ${patienceMs} ms.`, { retryable: true });
        }),
      ]);
    } finally {
      deadline.abort();
    }
  }

  async #spool(events: readonly AuditEvent[]): Promise<void> {
    try {
      for (;;) {
        this.#own ??= await this.#open();
        const { file, lock } = this.#own;
        if (file.size >= (this.#options.maxBytes ?? 268_435_456)) throw new Error('The audit spool is full.');
        await file.append(events);
        // Taken away, the file may have been delivered and removed before this batch was in it.
        if (await lock.held()) return;
        this.#own = undefined;
        await file.close();
      }
    } catch (cause) {
      throw new TenancyError('The audit log is away, and the spool took no entry.', {
        cause,
        retryable: true,
        hint: 'Look at audit.spool: its directory, its space, its maxBytes.',
      });
    }
  }

  async #open(): Promise<OwnSpool> {
    if (this.#writer === undefined) throw new Error('A spool needs a chain: no writer has begun.');
    await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    const path = join(this.#options.directory, `${this.#writer.id}-${++this.#files}${ending}`);
    const lock = await HeldFileLock.tryAcquire(`${path}.lock`);
    if (lock === undefined) throw new Error('The lock of a new spool file is held.');
    try {
      const file = await SpoolFile.create(path, this.#writer);
      return { file, lock, replay: this.#replayOf(file) };
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  #replayOf(file: SpoolFile): SpoolReplay {
    return new SpoolReplay(file, this.#options.inner, (error) => this.#report(error));
  }

  #replayAfter(pauseMs: number): void {
    if (this.#closed || this.#replaying !== undefined) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#replaying ??= this.#replayOwn().finally(() => {
        this.#replaying = undefined;
        if (this.#own !== undefined) this.#replayAfter(Math.min(100 * 2 ** this.#failures, 5_000));
      });
    }, pauseMs);
    this.#retry.unref();
  }

  async #replayOwn(): Promise<void> {
    try {
      while (this.#own !== undefined) {
        const own = this.#own;
        await own.replay.run();
        await this.#inTurn(async () => {
          // What was appended meanwhile is for another round.
          if (!own.replay.done || this.#own !== own) return;
          await own.replay.end();
          this.#own = undefined;
          await own.lock.release();
        });
      }
      this.#failures = 0;
    } catch (error) {
      this.#failures = Math.min(this.#failures + 1, 6);
      if (!isRetryable(error)) this.#report(error);
    }
  }

  /** Delivers what processes left that have ended, oldest first. */
  async #recover(): Promise<void> {
    try {
      const names = await readdir(this.#options.directory);
      for (const name of names.filter((each) => each.endsWith(ending)).sort()) {
        const path = join(this.#options.directory, name);
        if (!this.#closed && path !== this.#own?.file.path) await this.#recoverFile(path);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && !isRetryable(error)) this.#report(error);
    }
  }

  async #recoverFile(path: string): Promise<void> {
    const lock = await HeldFileLock.tryAcquire(`${path}.lock`);
    if (lock === undefined) return;
    try {
      const file = await SpoolFile.open(path);
      const replay = this.#replayOf(file);
      try {
        await replay.run();
      } catch (error) {
        await file.close();
        throw error;
      }
      if (await lock.held()) await replay.end();
      else await file.close();
    } finally {
      await lock.release();
    }
  }

  /** One after the other: appending, and removing what was delivered. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => {});
    return await mine;
  }

  #report(error: unknown): void {
    // What was still under way at the end finds its file closed; the next process takes it up.
    if (!this.#closed) this.#options.onError?.(error, this.name);
  }
}

function isRetryable(error: unknown): boolean {
  return error instanceof TenancyError && error.retryable;
}
