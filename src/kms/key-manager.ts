import type { KeyObject } from 'node:crypto';

/** Where a KEK's material is kept: in software, or in an HSM that it never leaves. */
export type KeyProtection = 'software' | 'hsm';

/**
 * What a key manager makes of `createKey({ protection: 'hsm' })`: a key in an `hsm`, as far as it knows before it asks; a software key in
 * its place, for trying premium tenants (`stand-in`); or nothing (`none`).
 */
export type HsmKeys = 'hsm' | 'stand-in' | 'none';

/** What a wrapped key is bound to: unwrapping under another context fails. Ids only, since clouds log it. */
export interface KeyContext {
  /** The tenant, or `platform` for the platform's own secrets. */
  readonly tenantId: string;
  /** What the key is for: `data`, `blind-index`, `context-master`, `credential`, `audit-chain`, `silent-attempt`, `certificate`. */
  readonly purpose: string;
}

/** A key wrapped by a KEK, as the catalog stores it. */
export interface WrappedKey {
  /** The {@link KeyManager.provider} that wrapped it: only that one can open it. */
  readonly provider: string;
  /** The provider's name of the KEK. */
  readonly keyRef: string;
  /** The KEK's version where the provider needs it to unwrap. */
  readonly keyVersion?: string | undefined;
  /** What the provider gave, at most a few hundred bytes; its layout is the provider's own. */
  readonly ciphertext: Buffer;
}

/** A fresh data key, and what the catalog stores of it. */
export interface GeneratedDataKey {
  /** 32 bytes, secret. */
  readonly key: KeyObject;
  /** The same key, wrapped. */
  readonly wrapped: WrappedKey;
}

/** What a key manager says of a KEK. */
export interface KeyDescription {
  /** The provider's name of the KEK. */
  readonly keyRef: string;
  /** Where its material lies; residency is decided by it. */
  readonly region: string;
  /** What protects it in truth, not what was asked for. */
  readonly protection: KeyProtection;
  /** Only `enabled` ones work. */
  readonly state: 'enabled' | 'disabled' | 'pendingDeletion';
  /** Undefined where the provider does not tell. */
  readonly createdAt: Date | undefined;
}

/** What may go with any call of a {@link KeyManager}. */
export interface KeyManagerCall {
  /** Ends the wait; the call rejects with {@link AbortedError}. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A key manager: it keeps KEKs and wraps data keys with them. One adapter per provider, one conformance suite for all.
 *
 * Every method throws {@link KeyManagerError} with one of the eight reasons of {@link KeyManagerFailure}, {@link AbortedError} when its
 * signal fired, and {@link ClosedError} after `close`. No message may hold key material.
 */
export interface KeyManager {
  /** Names this manager in the catalog, unique in a process: the provider and what tells two of them apart, such as `local/us-east-1`. */
  readonly provider: string;
  /** The region in which its keys live; residency is decided by it. */
  readonly region: string;
  /** What it makes when a key in an HSM is asked for; a premium tenant's KEK goes to the best one of its regions. */
  readonly hsmKeys: HsmKeys;
  /** Makes a KEK for a tenant (or `platform`) and answers with its name. */
  createKey(request: { readonly tenantId: string; readonly protection: KeyProtection }, call?: KeyManagerCall): Promise<string>;
  /** A fresh 32-byte key, plain and wrapped. */
  generateDataKey(keyRef: string, context: KeyContext, call?: KeyManagerCall): Promise<GeneratedDataKey>;
  /** Wraps a key of 32 bytes under the KEK's newest version. */
  wrap(keyRef: string, key: KeyObject, context: KeyContext, call?: KeyManagerCall): Promise<WrappedKey>;
  /**
   * Opens a wrapped key.
   *
   * @param context the same as when it was wrapped
   * @throws {KeyManagerError} `invalidCiphertext` for another context or changed bytes, `wrongKey` for another KEK
   */
  unwrap(wrapped: WrappedKey, context: KeyContext, call?: KeyManagerCall): Promise<KeyObject>;
  /**
   * Wraps the same key anew, under the KEK's newest version or under another KEK of this provider.
   *
   * @param target the KEK's name; the one that wrapped it unless told
   */
  rewrap(wrapped: WrappedKey, context: KeyContext, target?: string, call?: KeyManagerCall): Promise<WrappedKey>;
  /** State, region and protection of a KEK, as they are now. */
  describe(keyRef: string, call?: KeyManagerCall): Promise<KeyDescription>;
  /**
   * Lets a KEK refuse all work (`disabled`), reversibly. A process goes on with keys in memory for up to five minutes (docs/encryption.md,
   * "Keys").
   */
  disable(keyRef: string, call?: KeyManagerCall): Promise<void>;
  /**
   * Lets a KEK refuse all work (`pendingDeletion`) and deletes it for good afterwards, and with it what it wrapped.
   *
   * @param days how long the key can still be restored; providers differ in what they allow
   */
  scheduleDeletion(keyRef: string, days: number, call?: KeyManagerCall): Promise<void>;
  /** Releases what the manager holds; whoever it was given to (`createTenancy`, `createControlPlane`) calls it. Safe to call twice. */
  close(): Promise<void>;
}
