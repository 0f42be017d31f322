import type { WrappedKey } from '../kms/key-manager.ts';

/** One tenant's keys as the catalog has them: each wrapped by a KEK, useless without its key manager. */
export interface WrappedTenantKeys {
  readonly tenantId: string;
  /** Data keys by version, newest last. */
  readonly dataKeys: readonly { readonly version: number; readonly wrapped: WrappedKey }[];
  /** The version that new values are encrypted with. */
  readonly currentVersion: number;
  /** The secret that blind-index keys are derived from. */
  readonly indexSecret: WrappedKey;
}
