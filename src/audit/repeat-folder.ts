import { type AuditEntry, type AuditEvent, auditEvent } from './audit-event.ts';

interface Window {
  /** The entry that stands for the window's repeats, from the first of them on. */
  summary: AuditEvent | undefined;
  repeats: number;
  lastAt: Date;
  readonly waiting: ((outcome: Promise<string>) => void)[];
  timer: NodeJS.Timeout;
}

export interface RepeatFolderOptions {
  /** How long repeats are gathered, in milliseconds. */
  readonly windowMs: number;
  /** How many different attempts are watched at a time; what is beyond is not folded. */
  readonly maxKeys: number;
  /** Keeps an entry; resolves with its id. */
  readonly keep: (event: AuditEvent) => Promise<string>;
}

/**
 * Folds repeated refusals: the first is let through, those like it within the window become one entry with their number and the times of
 * the first and last. Whoever reported a repeat waits until that entry is kept: a refusal is thrown once it is recorded, in a flood too.
 */
export class RepeatFolder {
  readonly #options: RepeatFolderOptions;
  readonly #windows = new Map<string, Window>();

  constructor(options: RepeatFolderOptions) {
    this.#options = options;
  }

  /** @returns undefined for the first of its kind, which is the caller's to keep; else the id of the entry that stands for it */
  fold(entry: AuditEntry): Promise<string> | undefined {
    const key = keyOf(entry);
    const window = this.#windows.get(key);
    if (window === undefined) {
      if (this.#windows.size < this.#options.maxKeys) this.#open(key);
      return undefined;
    }
    // From now on somebody waits for it.
    window.timer.ref();
    window.summary ??= auditEvent(entry);
    window.repeats++;
    window.lastAt = entry.at ?? new Date();
    return new Promise((resolve) => {
      window.waiting.push(resolve);
    });
  }

  /** Ends every window now; resolves when its entry is kept, or could not be. */
  async flush(): Promise<void> {
    const windows = [...this.#windows.values()];
    this.#windows.clear();
    for (const { timer } of windows) clearTimeout(timer);
    await Promise.allSettled(windows.map((window) => this.#emit(window)));
  }

  #open(key: string): void {
    const timer = setTimeout(() => this.#end(key), this.#options.windowMs);
    timer.unref();
    this.#windows.set(key, { summary: undefined, repeats: 0, lastAt: new Date(), waiting: [], timer });
  }

  #end(key: string): void {
    const window = this.#windows.get(key);
    this.#windows.delete(key);
    if (window?.summary === undefined) return;
    // As long as it goes on, a window has one entry.
    this.#open(key);
    void this.#emit(window);
  }

  #emit({ summary, repeats, lastAt, waiting }: Window): Promise<string> | undefined {
    if (summary === undefined) return undefined;
    const single = repeats === 1;
    const detail = { ...summary.detail, repeats, firstAt: summary.at.toISOString(), lastAt: lastAt.toISOString() };
    const kept = this.#options.keep(single ? summary : Object.freeze({ ...summary, detail: Object.freeze(detail) }));
    for (const resolve of waiting) resolve(kept);
    return kept;
  }
}

/** Attempts that differ in nothing but their time and request. */
function keyOf(entry: AuditEntry): string {
  const { action, tenantId, targetTenantId, actor, reason, errorCode, statementFingerprint, detail } = entry;
  return JSON.stringify([action, tenantId, targetTenantId, actor, reason, errorCode, statementFingerprint, detail]);
}
