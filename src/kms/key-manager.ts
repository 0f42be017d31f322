import type { KeyObject } from 'node:crypto';

/** Where a KEK's material is kept: in software, or in an HSM that it never leaves. */
export type KeyProtection = 'software' | 'hsm';

/** What a wrapped key is bound to: unwrapping under another context fails. Ids only, since clouds log it. */
export interface KeyContext {
  /** The tenant, or `platform` for the platform's own secrets. */
  readonly tenantId: string;
  /** What the key is for: `data`, `blind-index`, `context-master`, `credential`. */
  readonly purpose: string;
}

/** A key wrapped by a KEK, as the catalog stores it. */
export interface WrappedKey {
  readonly provider: string;
  /** The provider's name of the KEK. */
  readonly keyRef: string;
  /** The KEK's version where the provider needs it to unwrap. */
  readonly keyVersion?: string | undefined;
  readonly ciphertext: Buffer;
}

export interface KeyDescription {
  readonly keyRef: string;
  readonly region: string;
  readonly protection: KeyProtection;
  readonly state: 'enabled' | 'disabled' | 'pendingDeletion';
  readonly createdAt: Date | undefined;
}

export interface KeyManagerCall {
  readonly signal?: AbortSignal | undefined;
}

/**
 * A key manager: it keeps KEKs and wraps data keys with them. One adapter per provider, one conformance suite for all.
 * Every method throws {@link KeyManagerError} with one of eight reasons.
 */
export interface KeyManager {
  /** Names this manager in the catalog, unique in a process: the provider and what tells two of them apart, such as `local/us-east-1`. */
  readonly provider: string;
  /** The region in which its keys live; residency is decided by it. */
  readonly region: string;
  /** Makes a KEK for a tenant (or `platform`) and answers with its name. */
  createKey(request: { readonly tenantId: string; readonly protection: KeyProtection }, call?: KeyManagerCall): Promise<string>;
  /** A fresh 32-byte key, plain and wrapped. */
  generateDataKey(
    keyRef: string,
    context: KeyContext,
    call?: KeyManagerCall,
  ): Promise<{ readonly key: KeyObject; readonly wrapped: WrappedKey }>;
  wrap(keyRef: string, key: KeyObject, context: KeyContext, call?: KeyManagerCall): Promise<WrappedKey>;
  unwrap(wrapped: WrappedKey, context: KeyContext, call?: KeyManagerCall): Promise<KeyObject>;
  /** Wraps the same key anew, under the KEK's newest version or under another KEK of this provider. */
  rewrap(wrapped: WrappedKey, context: KeyContext, target?: string, call?: KeyManagerCall): Promise<WrappedKey>;
  describe(keyRef: string, call?: KeyManagerCall): Promise<KeyDescription>;
  disable(keyRef: string, call?: KeyManagerCall): Promise<void>;
  /** @param days how long the key can still be restored */
  scheduleDeletion(keyRef: string, days: number, call?: KeyManagerCall): Promise<void>;
  close(): Promise<void>;
}
