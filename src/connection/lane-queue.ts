import { AbortedError, type TenancyError } from '../errors.ts';
import type { LaneSlot } from './lane-slot.ts';

/** Someone who waits for a lane. */
export interface LaneRequest {
  readonly tenantId: string;
  /** A transaction takes a lane to itself; units of one tenant may share one. */
  readonly exclusive: boolean;
  readonly priority: number;
  /** How many lanes the tenant may occupy at a time. */
  readonly maxLanes: number;
}

interface Waiting extends LaneRequest {
  readonly settle: (slot: LaneSlot) => void;
  readonly fail: (error: Error) => void;
}

/** Who waits for lanes: by priority, then in the order in which they came. */
export class LaneQueue {
  readonly #waiting: Waiting[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  /**
   * Waits for a lane.
   *
   * @param timeoutMs how long, in milliseconds
   * @param onTimeout makes the error of having waited in vain
   * @param onLeave called when this request was given up
   * @throws {AbortedError} when the signal came first, or had fired already
   */
  async wait(
    request: LaneRequest,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    onTimeout: () => TenancyError,
    onLeave: () => void,
  ): Promise<LaneSlot> {
    const aborted = (): AbortedError =>
      new AbortedError(`Waiting for a lane was aborted; nothing of tenant ${request.tenantId} was sent.`, { tenantId: request.tenantId });
    // A signal that has fired tells nobody again: without this the wait would last until its time is over.
    if (signal?.aborted === true) throw aborted();
    return await new Promise<LaneSlot>((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      const waiting: Waiting = {
        ...request,
        settle: (slot) => {
          done();
          resolve(slot);
        },
        fail: (error) => {
          done();
          reject(error);
        },
      };
      const giveUp = (error: () => TenancyError): void => {
        const index = this.#waiting.indexOf(waiting);
        if (index === -1) return;
        const reason = error();
        this.#waiting.splice(index, 1);
        waiting.fail(reason);
        onLeave();
      };
      const abort = (): void => giveUp(aborted);
      const timer = setTimeout(() => giveUp(onTimeout), timeoutMs);
      signal?.addEventListener('abort', abort, { once: true });
      let index = this.#waiting.length;
      while (index > 0 && this.#waiting[index - 1]!.priority < request.priority) index--;
      this.#waiting.splice(index, 0, waiting);
    });
  }

  /**
   * Gives lanes to those who wait, in order. The first who could use any lane and gets none stops those behind it: a busy tenant's
   * stream of units can't keep a lane from draining for it. Those who wait for their own tenant's lanes only are passed over.
   */
  serve(place: (request: LaneRequest) => LaneSlot | 'tenant full' | undefined): void {
    for (let index = 0; index < this.#waiting.length; ) {
      const waiting = this.#waiting[index]!;
      const slot = place(waiting);
      if (slot === undefined) return;
      if (slot === 'tenant full') {
        index++;
        continue;
      }
      this.#waiting.splice(index, 1);
      waiting.settle(slot);
    }
  }

  /** How many of those who wait this holds for, counted in order and no further than the limit. */
  count(limit: number, holds: (request: LaneRequest) => boolean): number {
    let found = 0;
    for (const waiting of this.#waiting) {
      if (found === limit) break;
      if (holds(waiting)) found++;
    }
    return found;
  }

  /** Fails all who wait. */
  failAll(error: Error): void {
    for (const waiting of this.#waiting.splice(0)) waiting.fail(error);
  }
}
