import type { WrappedKey } from '../kms/key-manager.ts';

/** A master that the databases' context keys are derived from, wrapped by the platform KEK. */
export interface ContextMaster {
  /** Such as `k1`; part of every signed context. */
  readonly keyId: string;
  readonly wrapped: WrappedKey;
  readonly createdAt: Date;
  /** From then on it signs nothing. */
  readonly retiredAt: Date | undefined;
}
