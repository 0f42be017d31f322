import { ConfigurationError } from '../errors.ts';

/** A pool as the cap sees it. */
export interface CapMember {
  /** Asks for one lane that nobody uses to be closed. Says whether one is being closed. */
  releaseIdle(): boolean;
}

/** One pool's place under a cluster's cap. */
export interface CapSeat {
  /** Waits for leave to open one lane; call what it resolves with once that lane has ended. Rejects with the signal's reason. */
  acquire(signal: AbortSignal): Promise<() => void>;
  /** Whether a lane that comes free should be closed instead of used again: another pool waits and holds less than its share. */
  readonly mustYield: boolean;
  leave(): void;
}

interface Seat {
  readonly member: CapMember;
  readonly waiting: Waiter[];
  held: number;
}

interface Waiter {
  readonly since: number;
  grant(): void;
}

interface Ledger {
  readonly limit: number;
  readonly seats: Set<Seat>;
  used: number;
}

/**
 * How many lanes this process may open to each cluster, over all of its databases and logins. When the cap is reached, idle lanes of
 * other pools make room, and of the pools that wait the one with the fewest lanes goes first.
 *
 * @example
 * ```ts
 * const cap = new ClusterCap();
 * const pool = new PostgresLanePool({ cap, clusterId: cluster.id, clusterMaxLanes: cluster.maxLanes, … });
 * ```
 */
export class ClusterCap {
  readonly #ledgers = new Map<string, Ledger>();
  #clock = 0;

  /**
   * Takes a place for one pool.
   *
   * @param limit lanes that this process may open to the cluster; the first pool to join decides
   * @throws {ConfigurationError} when the limit is no positive whole number
   */
  join(clusterId: string, limit: number, member: CapMember): CapSeat {
    if (!Number.isInteger(limit) || limit < 1) {
      throw new ConfigurationError(`The cluster ${clusterId} allows ${limit} lanes.`, {
        hint: 'Give maxLanes a whole number of at least 1.',
      });
    }
    const ledger = this.#ledgers.get(clusterId) ?? { limit, seats: new Set(), used: 0 };
    this.#ledgers.set(clusterId, ledger);
    const seat: Seat = { member, waiting: [], held: 0 };
    ledger.seats.add(seat);
    const forget = (): void => {
      if (ledger.seats.size === 0 && ledger.used === 0) this.#ledgers.delete(clusterId);
    };
    return {
      acquire: async (signal) => {
        await this.#wait(ledger, seat, signal);
        let released = false;
        return () => {
          if (released) return;
          released = true;
          ledger.used--;
          seat.held--;
          grantNext(ledger);
          forget();
        };
      },
      get mustYield() {
        return mustYield(ledger, seat);
      },
      leave: () => {
        ledger.seats.delete(seat);
        forget();
      },
    };
  }

  /** How many lanes are open or being opened to a cluster. */
  used(clusterId: string): number {
    return this.#ledgers.get(clusterId)?.used ?? 0;
  }

  async #wait(ledger: Ledger, seat: Seat, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        since: ++this.#clock,
        grant: () => {
          signal.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = (): void => {
        const index = seat.waiting.indexOf(waiter);
        if (index === -1) return;
        seat.waiting.splice(index, 1);
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', abort, { once: true });
      seat.waiting.push(waiter);
      grantNext(ledger);
      if (seat.waiting.includes(waiter)) makeRoom(ledger, seat);
    });
  }
}

function grantNext(ledger: Ledger): void {
  while (ledger.used < ledger.limit) {
    let next: Seat | undefined;
    for (const seat of ledger.seats) {
      if (seat.waiting.length === 0) continue;
      if (next === undefined || seat.held < next.held || (seat.held === next.held && seat.waiting[0]!.since < next.waiting[0]!.since))
        next = seat;
    }
    if (next === undefined) return;
    ledger.used++;
    next.held++;
    next.waiting.shift()!.grant();
  }
}

/** The pool with the most lanes is asked first. */
function makeRoom(ledger: Ledger, seat: Seat): void {
  const others = [...ledger.seats].filter((other) => other !== seat && other.held > 0).sort((a, b) => b.held - a.held);
  for (const other of others) if (other.member.releaseIdle()) return;
}

function mustYield(ledger: Ledger, seat: Seat): boolean {
  if (ledger.used < ledger.limit) return false;
  for (const other of ledger.seats) {
    if (other !== seat && other.waiting.length > 0 && (other.held === 0 || other.held < seat.held - 1)) return true;
  }
  return false;
}
