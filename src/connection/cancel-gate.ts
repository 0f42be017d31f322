import { type BackendKey, sendCancelRequest } from './cancel-request.ts';
import type { LaneAddress } from './lane-socket.ts';

/** The connection that cancel requests are about. */
export interface CancelTarget {
  readonly lost: boolean;
  /** The server's key of the session; without one nothing can be cancelled. */
  readonly key: BackendKey | undefined;
}

/** Long enough for an answer that is on its way: a request too many would hit what ends the transaction, and cost the lane. */
const firstPauseMs = 1_000;
const longestPauseMs = 5_000;

/** Cancel requests of one connection, one at a time. */
export class CancelGate {
  readonly #address: LaneAddress;
  readonly #target: CancelTarget;
  #count = 0;
  #underWay: Promise<void> | undefined;

  constructor(address: LaneAddress, target: CancelTarget) {
    this.#address = address;
    this.#target = target;
  }

  /** How many requests were made so far. */
  get count(): number {
    return this.#count;
  }
  get underWay(): Promise<void> | undefined {
    return this.#underWay;
  }

  /**
   * Asks unless `stillWanted` says no at the last moment; a request that can't be made is none. One that reaches the server before the
   * statement does is ignored there, so it is made again for as long as it is wanted; the promise is the first one's.
   */
  async cancel(stillWanted: () => boolean): Promise<void> {
    await this.#ask(stillWanted, firstPauseMs);
  }

  async #ask(stillWanted: () => boolean, pauseMs: number): Promise<void> {
    while (this.#underWay !== undefined) await this.#underWay;
    const { key } = this.#target;
    if (key === undefined || this.#target.lost || !stillWanted()) return;
    const request = sendCancelRequest(this.#address, key, () => {
      if (this.#target.lost || !stillWanted()) return false;
      this.#count++;
      return true;
    })
      .catch(() => {})
      .finally(() => {
        this.#underWay = undefined;
      });
    this.#underWay = request;
    await request;
    if (!stillWanted()) return;
    setTimeout(() => void this.#ask(stillWanted, Math.min(pauseMs * 2, longestPauseMs)), pauseMs).unref();
  }
}
