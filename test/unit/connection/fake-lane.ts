import type { Lane, LaneTransaction, TransactionOptions, Unit, UnitContext } from '../../../src/connection/lane.ts';
import type { StatementResult } from '../../../src/connection/statement.ts';
import { LaneLostError, WrongTenantError } from '../../../src/errors.ts';

let lastId = 0;

/** A lane without a server, for the pool's bookkeeping: it enforces the contract's rules and works in order. A unit's text is its duration in ms. */
export class FakeLane implements Lane {
  readonly id = ++lastId;
  readonly backendPid = this.id;
  readonly ended: Promise<void>;
  state: Lane['state'] = 'open';
  lastTenantId: string | undefined;
  depth = 0;
  maxDepthSeen = 0;
  served: string[] = [];
  #exclusive = false;
  #chain: Promise<void> = Promise.resolve();
  #end: () => void = () => {};

  constructor() {
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  async run(unit: Unit): Promise<StatementResult> {
    this.#enter(unit.context.tenantId, false);
    const turn = this.#chain.then(async () => {
      await new Promise((resolve) => {
        setTimeout(resolve, Number(unit.statement.text));
      });
    });
    this.#chain = turn;
    try {
      await Promise.race([turn, this.ended]);
      if (this.state === 'lost') throw new LaneLostError('lost', { sent: unit.statement.rows === 'object' });
      return { rows: [this.id], rowCount: 1, command: 'SELECT' };
    } finally {
      this.depth--;
    }
  }

  async transaction<T>(
    context: UnitContext,
    _options: TransactionOptions,
    callback: (transaction: LaneTransaction) => Promise<T>,
  ): Promise<T> {
    this.#enter(context.tenantId, true);
    try {
      return await callback({
        over: false,
        execute: async () => ({ rows: [this.id], rowCount: 0, command: '' }),
        savepoint: async (inner) => await inner(),
        copyTo: async function* () {},
      });
    } finally {
      this.#exclusive = false;
      this.depth--;
    }
  }

  async close(): Promise<void> {
    if (this.depth > 0) throw new Error('closed while working');
    this.state = 'closed';
    this.#end();
  }

  lose(): void {
    this.state = 'lost';
    this.#end();
  }

  #enter(tenantId: string, exclusive: boolean): void {
    if (this.state !== 'open') throw new LaneLostError('not open', { sent: false });
    if (this.depth > 0 && (exclusive || this.#exclusive || this.lastTenantId !== tenantId))
      throw new WrongTenantError(`${this.lastTenantId} and ${tenantId}`, {});
    this.depth++;
    this.maxDepthSeen = Math.max(this.maxDepthSeen, this.depth);
    this.#exclusive = exclusive;
    this.lastTenantId = tenantId;
    this.served.push(tenantId);
  }
}
