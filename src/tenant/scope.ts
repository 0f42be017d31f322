import { AsyncLocalStorage } from 'node:async_hooks';
import { NoTenantError } from '../errors.ts';
import type { Tenant } from './tenant.ts';

/** The grant under which a scope was opened by `acrossTenants`. */
export interface CrossTenantGrant {
  readonly auditId: string;
  readonly actor: string;
  readonly reason: string;
  /** What its statements touched so far. */
  readonly work: GrantedWork;
}

/** Counts what is done under a grant, for the entry that closes it. */
export class GrantedWork {
  readonly #total: GrantedWork | undefined;
  #statements = 0;
  #rowsRead = 0;
  #rowsWritten = 0;

  /** @param total what all of it is counted in as well */
  constructor(total?: GrantedWork) {
    this.#total = total;
  }

  /** Takes one statement's answer. */
  add(result: { readonly command: string; readonly rowCount: number }): void {
    this.#statements++;
    if (/^(INSERT|UPDATE|DELETE|MERGE)$/.test(result.command)) this.#rowsWritten += result.rowCount;
    else this.#rowsRead += result.rowCount;
    this.#total?.add(result);
  }

  get counts(): { readonly statements: number; readonly rowsRead: number; readonly rowsWritten: number } {
    return { statements: this.#statements, rowsRead: this.#rowsRead, rowsWritten: this.#rowsWritten };
  }
}

export interface ScopeOptions {
  readonly grant?: CrossTenantGrant | undefined;
  readonly requestId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** One tenant's context in AsyncLocalStorage, from the moment `run` enters its callback until that settles. */
export class Scope {
  readonly tenant: Tenant;
  readonly grant: CrossTenantGrant | undefined;
  readonly requestId: string | undefined;
  /** Once it fires, the scope's running statements are cancelled and later ones refused. */
  readonly signal: AbortSignal | undefined;
  /** The scope that this one is a part of, or itself: they end together, and share a transaction. */
  readonly root: Scope;
  #over = false;
  #leaving: Set<() => void> | undefined;

  constructor(tenant: Tenant, options?: ScopeOptions, root?: Scope) {
    this.tenant = tenant;
    this.grant = options?.grant;
    this.requestId = options?.requestId;
    this.signal = options?.signal;
    this.root = root ?? this;
  }

  /** Whether the callback has settled: work that still runs under this scope then is refused. */
  get over(): boolean {
    return this.root.#over;
  }

  /** The same scope for a part of its work that can be aborted by itself. */
  within(signal: AbortSignal): Scope {
    const both = this.signal === undefined ? signal : AbortSignal.any([this.signal, signal]);
    return new Scope(this.tenant, { grant: this.grant, requestId: this.requestId, signal: both }, this.root);
  }

  /** Calls back when the scope ends, at once if it has; for what must not outlive it. @returns what takes the callback back */
  onEnd(callback: () => void): () => void {
    const { root } = this;
    if (root.#over) callback();
    else {
      root.#leaving ??= new Set();
      root.#leaving.add(callback);
    }
    return () => {
      root.#leaving?.delete(callback);
    };
  }

  end(): void {
    this.#over = true;
    if (this.#leaving === undefined) return;
    const leaving = this.#leaving;
    this.#leaving = undefined;
    for (const leave of leaving) leave();
  }
}

const storage = new AsyncLocalStorage<Scope>();

/** The scope of the code that is running now, or undefined. */
export function currentScope(): Scope | undefined {
  return storage.getStore();
}

/**
 * The scope of the code that is running now.
 *
 * @throws {NoTenantError} outside any scope
 */
export function requireScope(attempt = 'Tenant data was asked for'): Scope {
  const scope = storage.getStore();
  if (scope === undefined) {
    throw new NoTenantError(`${attempt} outside any tenant's scope.`, { hint: 'Wrap the work in tenancy.run(tenantId, …).' });
  }
  return scope;
}

/**
 * Runs a callback inside a scope and ends the scope when the callback has settled. A thenable that the callback returns, such as a
 * drizzle builder, is awaited inside, so that it runs as this tenant and not as whoever awaits the result.
 */
export function enterScope<T>(scope: Scope, callback: () => T | PromiseLike<T>): Promise<T> {
  return storage.run(scope, settled<T>, callback, scope);
}

/** Runs a callback in a part of a scope that is open, which goes on afterwards. */
export function enterPart<T>(part: Scope, callback: () => T | PromiseLike<T>): Promise<T> {
  return storage.run(part, settled<T>, callback, undefined);
}

async function settled<T>(callback: () => T | PromiseLike<T>, ending: Scope | undefined): Promise<T> {
  try {
    return await callback();
  } finally {
    ending?.end();
  }
}
