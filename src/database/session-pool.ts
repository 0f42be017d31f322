import { currentScope } from '../tenant/scope.ts';
import { ambientTransaction } from './ambient-transaction.ts';
import { BoundDatabase } from './bound-database.ts';
import { TenantSession, type TenantSessionOptions } from './tenant-session.ts';
import { TenantTransaction } from './tenant-transaction.ts';

const maxTenants = 1_000;

/** The sessions of the tenants served lately. They hold no state but the tenant's id; making one costs an object per table. */
export class SessionPool {
  readonly #options: TenantSessionOptions;
  readonly #byTenant = new Map<string | undefined, BoundDatabase>();

  constructor(options: TenantSessionOptions) {
    this.#options = options;
  }

  /** The database of the code that is running now: its transaction's, its tenant's, or one that can only prepare. */
  current(): BoundDatabase {
    const scope = currentScope();
    const transaction = scope && ambientTransaction(scope);
    return (transaction && TenantTransaction.of(transaction)) ?? this.#of(scope?.tenant.id);
  }

  #of(tenantId: string | undefined): BoundDatabase {
    const found = this.#byTenant.get(tenantId);
    if (found !== undefined) {
      this.#byTenant.delete(tenantId);
      this.#byTenant.set(tenantId, found);
      return found;
    }
    const session = new TenantSession(this.#options, { tenantId, transaction: undefined, anyTenant: false });
    const bound = new BoundDatabase(this.#options.dialect, session, this.#options.schema);
    this.#byTenant.set(tenantId, bound);
    if (this.#byTenant.size > maxTenants) this.#byTenant.delete(this.#byTenant.keys().next().value);
    return bound;
  }
}
