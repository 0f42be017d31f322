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
  #statements = 0;
  #rowsRead = 0;
  #rowsWritten = 0;

  /** Takes one statement's answer. */
  add(result: { readonly command: string; readonly rowCount: number }): void {
    this.#statements++;
    if (/^(INSERT|UPDATE|DELETE|MERGE)$/.test(result.command)) this.#rowsWritten += result.rowCount;
    else this.#rowsRead += result.rowCount;
  }

  get counts(): { readonly statements: number; readonly rowsRead: number; readonly rowsWritten: number } {
    return { statements: this.#statements, rowsRead: this.#rowsRead, rowsWritten: this.#rowsWritten };
  }
}

/** One tenant's context in AsyncLocalStorage, from the moment `run` enters its callback until that settles. */
export class Scope {
  readonly tenant: Tenant;
  readonly grant: CrossTenantGrant | undefined;
  readonly requestId: string | undefined;
  #over = false;

  constructor(tenant: Tenant, options: { readonly grant?: CrossTenantGrant | undefined; readonly requestId?: string | undefined } = {}) {
    this.tenant = tenant;
    this.grant = options.grant;
    this.requestId = options.requestId;
  }

  /** Whether the callback has settled: work that still runs under this scope then is refused. */
  get over(): boolean {
    return this.#over;
  }

  end(): void {
    this.#over = true;
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
export async function enterScope<T>(scope: Scope, callback: () => T | PromiseLike<T>): Promise<T> {
  try {
    return await storage.run(scope, async () => await callback());
  } finally {
    scope.end();
  }
}
