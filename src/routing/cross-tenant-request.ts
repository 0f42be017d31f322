import type { TenantId } from '../tenant/tenant-id.ts';

/** Why somebody works on tenants other than one scope's, and on which. Kept in the audit log before anything runs. */
export interface CrossTenantRequest {
  /** Who does it: a person's or a job's name, as the audit log should show it. */
  readonly actor: string;
  /** Why: a ticket, a job, a sentence. */
  readonly reason: string;
  /** The tenants, or `all` active ones. */
  readonly tenants: readonly TenantId[] | 'all';
  /** Goes into every audit entry of this work. */
  readonly requestId?: string | undefined;
  /** Stops before the next tenant; the one under way ends first. */
  readonly signal?: AbortSignal | undefined;
}
