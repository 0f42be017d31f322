import type { ShreddedKey } from '../catalog/shred-store.ts';
import type { Signed } from '../keys/certificate-authority.ts';
import type { KeyDescription, KeyProtection } from '../kms/key-manager.ts';

/** How {@link ControlPlane.shredKeys} goes about it. */
export interface KeyShredOptions {
  /** The tenant's id once more. */
  readonly confirm: string;
  /** On whose order. */
  readonly actor: string;
  /** Why, for the certificate. */
  readonly reason: string;
  /** Whether to shred the keys of a tenant that is active; false unless told. */
  readonly force?: boolean | undefined;
  /** What becomes of the tenant's own KEKs: disabled and deleted unless told, only disabled, or kept. */
  readonly kek?: 'delete' | 'disable' | 'keep' | undefined;
  /** In how many days they are deleted; 30 unless told. Providers differ in what they allow. */
  readonly deletionDays?: number | undefined;
  /** How long to wait for services to let go of the keys, in milliseconds; 30,000 unless told. */
  readonly waitMs?: number | undefined;
}

/** What a key manager said of one of the tenant's own KEKs. */
export interface KekEvidence {
  readonly provider: string;
  readonly keyRef: string;
  /** When it was asked. */
  readonly at: string;
  readonly state?: KeyDescription['state'] | 'gone' | undefined;
  readonly protection?: KeyProtection | undefined;
  readonly region?: string | undefined;
  /** Why it could not be asked, or would not do it. */
  readonly failure?: string | undefined;
}

/** What was destroyed, when, on whose order, and who has let go of it; signed by the platform. */
export type ShredCertificate = Signed<{
  readonly format: 'tenancy.shred-certificate/1';
  readonly tenantId: string;
  /** When the wrapped keys were deleted, by the catalog server's clock. */
  readonly shreddedAt: string;
  readonly issuedAt: string;
  readonly orderedBy: string;
  readonly reason: string;
  /** Whether the tenant was still active. */
  readonly forced: boolean;
  readonly keys: readonly ShreddedKey[];
  /** The tenant's own KEKs; empty where the platform's wrapped its keys. */
  readonly keks: readonly KekEvidence[];
  readonly processes: {
    /** Those that said that they let go of the keys, or ended. */
    readonly acknowledged: readonly { readonly id: string; readonly name: string }[];
    /** Those that said nothing, and whose keys have ended by themselves. */
    readonly expired: readonly { readonly id: string; readonly name: string; readonly keysEndedAt: string }[];
    /** Those that said nothing and may have the keys in memory until then. */
    readonly silent: readonly { readonly id: string; readonly name: string; readonly keysEndAt: string }[];
  };
  /** Whether nobody holds the keys any more and every KEK could be dealt with; run it again until it is. */
  readonly complete: boolean;
}>;
