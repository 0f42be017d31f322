import { AsyncLocalStorage } from 'node:async_hooks';
import type { LaneTransaction } from '../connection/lane.ts';
import { TransactionOverError } from '../errors.ts';
import type { Route } from '../routing/route.ts';
import type { Scope } from '../tenant/scope.ts';

const storage = new AsyncLocalStorage<AmbientTransaction>();

/** An open transaction or savepoint of one scope. While its callback runs, everything that the scope asks of `tenancy.db` joins it. */
export class AmbientTransaction {
  readonly scope: Scope;
  readonly route: Route;
  readonly lane: LaneTransaction;
  /** Cancels what runs in it; a savepoint's is also that of what is around it. */
  readonly signal: AbortSignal | undefined;
  #over = false;

  constructor(scope: Scope, route: Route, lane: LaneTransaction, signal: AbortSignal | undefined) {
    this.scope = scope;
    this.route = route;
    this.lane = lane;
    this.signal = signal;
  }

  get tenantId(): string {
    return this.scope.tenant.id;
  }

  get over(): boolean {
    return this.#over || this.lane.over;
  }

  /** Runs the callback inside and ends the transaction for its users when it settles; a thenable that it returns is awaited inside. */
  async enter<T>(callback: () => T | PromiseLike<T>): Promise<T> {
    try {
      return await storage.run(this, async () => await callback());
    } finally {
      this.#over = true;
    }
  }

  /** @throws {TransactionOverError} */
  assertOpen(): void {
    if (!this.over) return;
    throw new TransactionOverError(`A query of tenant ${this.tenantId} was awaited after its transaction had ended.`, {
      tenantId: this.tenantId,
      hint: 'Await everything inside the transaction’s callback.',
    });
  }
}

/** The transaction that this scope's code is running in; another scope's is never answered. */
export function ambientTransaction(scope: Scope): AmbientTransaction | undefined {
  const ambient = storage.getStore();
  return ambient?.scope.root === scope.root ? ambient : undefined;
}
