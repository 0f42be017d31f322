import type { Lane } from './lane.ts';

/** A lane as its pool keeps account of it. */
export class LaneSlot {
  readonly lane: Lane;
  readonly #leave: () => void;
  #active = 0;
  #exclusive = false;
  #tenantId: string | undefined;
  #since = performance.now();
  #timer: NodeJS.Timeout | undefined;

  /** @param leave gives back the leave to have opened this lane */
  constructor(lane: Lane, leave: () => void) {
    this.lane = lane;
    this.#leave = leave;
    this.#tenantId = lane.lastTenantId;
    void lane.ended.then(() => {
      clearTimeout(this.#timer);
      this.#leave();
    });
  }

  get open(): boolean {
    return this.lane.state === 'open';
  }
  get active(): number {
    return this.#active;
  }
  get idle(): boolean {
    return this.#active === 0 && this.open;
  }
  /** The tenant that it serves, or served last. */
  get tenantId(): string | undefined {
    return this.#tenantId;
  }
  /** Since when the lane has been idle, or has been working without a pause, in the clock of `performance.now()`. */
  get since(): number {
    return this.#since;
  }

  /** Whether another unit of this tenant may be written behind those under way. */
  accepts(tenantId: string, maxDepth: number): boolean {
    return this.open && this.#active > 0 && this.#active < maxDepth && !this.#exclusive && this.#tenantId === tenantId;
  }

  take(tenantId: string, exclusive: boolean): void {
    clearTimeout(this.#timer);
    if (this.#active === 0) this.#since = performance.now();
    this.#active++;
    this.#exclusive = exclusive;
    this.#tenantId = tenantId;
  }

  /** Returns for how long the lane had been working, in milliseconds. */
  release(): number {
    const now = performance.now();
    const worked = now - this.#since;
    this.#active--;
    this.#exclusive = false;
    // What is still under way begins only now: the lane works in order.
    this.#since = now;
    return worked;
  }

  /** Calls back when the lane has been idle for so long; never keeps the process alive. */
  watch(idleTimeoutMs: number, onIdle: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#active === 0) onIdle();
    }, idleTimeoutMs);
    this.#timer.unref();
  }
}
