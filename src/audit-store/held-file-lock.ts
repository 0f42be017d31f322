import { utimes } from 'node:fs/promises';
import { FileLock } from '../kms/file-lock.ts';

/** How long a lock is respected whose holder gives no sign of life, in milliseconds. */
const staleMs = 60_000;
const refreshMs = 10_000;

/** A {@link FileLock} that is held for long: it is kept young, so that nobody takes it for left behind. */
export class HeldFileLock {
  readonly #lock: FileLock;
  readonly #timer: NodeJS.Timeout;

  private constructor(lock: FileLock, path: string) {
    this.#lock = lock;
    this.#timer = setInterval(() => {
      const now = new Date();
      utimes(path, now, now).catch(() => {});
    }, refreshMs);
    this.#timer.unref();
  }

  /** @returns undefined when another process holds it */
  static async tryAcquire(path: string): Promise<HeldFileLock | undefined> {
    try {
      return new HeldFileLock(await FileLock.acquire(path, { timeoutMs: 50, staleMs }), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ETIMEDOUT') return undefined;
      throw error;
    }
  }

  /** Whether it was not taken away: this process may have been stopped for longer than a lock is respected. */
  async held(): Promise<boolean> {
    return await this.#lock.assertHeld().then(
      () => true,
      () => false,
    );
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#lock.release();
  }
}
