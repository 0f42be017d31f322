import { randomUUID } from 'node:crypto';
import { link, open, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

export interface FileLockOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long to wait for another holder, in milliseconds; 10,000 unless told. */
  readonly timeoutMs?: number | undefined;
  /** After how long a lock counts as left behind even if its process seems to live, in milliseconds; 30,000 unless told. */
  readonly staleMs?: number | undefined;
}

/** A dead process's lock is left alone this long, in milliseconds: a container may share the host's name but not its process ids. */
const graceMs = 1_000;

/**
 * A lock between processes that is a file holding its owner's process and host. A lock whose process died, or that is older than
 * `staleMs`, is broken: exactly one process may break a given lock, so that nobody removes the lock of its successor.
 *
 * @example
 * ```ts
 * const lock = await FileLock.acquire('keys.json.lock');
 * try { await lock.assertHeld(); } finally { await lock.release(); }
 * ```
 */
export class FileLock {
  readonly #path: string;
  readonly #token: string;

  private constructor(path: string, token: string) {
    this.#path = path;
    this.#token = token;
  }

  /**
   * @throws the signal's reason when it is aborted while waiting
   * @throws an Error with code ETIMEDOUT when the lock did not come free in time, and any error of the file system
   */
  static async acquire(path: string, options: FileLockOptions = {}): Promise<FileLock> {
    const { signal, timeoutMs = 10_000, staleMs = 30_000 } = options;
    const token = randomUUID();
    const deadline = performance.now() + timeoutMs;
    // Written whole before it gets its name, so that nobody ever reads half a lock.
    const draft = `${path}.${token}`;
    await writeFile(draft, JSON.stringify({ token, pid: process.pid, host: hostname() }), { mode: 0o600, flag: 'wx' });
    try {
      for (;;) {
        signal?.throwIfAborted();
        if (await linked(draft, path)) return new FileLock(path, token);
        await breakIfStale(path, staleMs);
        if (performance.now() > deadline)
          throw Object.assign(new Error(`The lock ${path} is held by another process.`), { code: 'ETIMEDOUT' });
        await sleep(2 + Math.random() * 15, undefined, { signal });
      }
    } finally {
      await unlink(draft);
    }
  }

  /** Call right before what the lock protects is replaced. @throws an Error with code ESTALE when the lock was broken meanwhile */
  async assertHeld(): Promise<void> {
    if ((await read(this.#path))?.token !== this.#token)
      throw Object.assign(new Error(`The lock ${this.#path} was taken away.`), { code: 'ESTALE' });
  }

  async release(): Promise<void> {
    if ((await read(this.#path))?.token === this.#token) await ignoring('ENOENT', unlink(this.#path));
  }
}

interface Holder {
  readonly token: string;
  readonly pid: number;
  readonly host: string;
}

async function linked(draft: string, path: string): Promise<boolean> {
  return (
    (await ignoring(
      'EEXIST',
      link(draft, path).then(() => true),
    )) ?? false
  );
}

async function breakIfStale(path: string, staleMs: number): Promise<void> {
  const found = await ignoring('ENOENT', stat(path));
  if (found === undefined) return;
  const age = Date.now() - found.mtimeMs;
  const seen = await read(path);
  const dead = seen !== undefined && seen.host === hostname() && !isAlive(seen.pid);
  if (age < (dead ? graceMs : staleMs)) return;
  const claim = `${path}.${seen?.token ?? 'unreadable'}.break`;
  const handle = await ignoring('EEXIST', open(claim, 'wx', 0o600));
  if (handle === undefined) {
    // Its breaker died too: let the next attempt claim it.
    const claimed = await ignoring('ENOENT', stat(claim));
    if (claimed !== undefined && Date.now() - claimed.mtimeMs > staleMs) await ignoring('ENOENT', unlink(claim));
    return;
  }
  await handle.close();
  try {
    if ((await read(path))?.token === seen?.token) await ignoring('ENOENT', unlink(path));
  } finally {
    await ignoring('ENOENT', unlink(claim));
  }
}

async function read(path: string): Promise<Holder | undefined> {
  const text = await ignoring('ENOENT', readFile(path, 'utf8'));
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Holder);
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

async function ignoring<T>(code: string, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === code) return undefined;
    throw error;
  }
}
