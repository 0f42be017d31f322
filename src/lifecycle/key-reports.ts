import type { DataKeyState } from '../catalog/key-life-store.ts';
import type { SilentProcess } from '../catalog/process-store.ts';
import type { KeyDescription, KeyProtection } from '../kms/key-manager.ts';

/** A process that may still hold keys: from `keysEndAt` on it can't, whether or not it answers. */
export type { SilentProcess };

/** Something about a tenant's keys that somebody should look at. */
export interface KeyProblem {
  readonly id:
    | 'kek-unusable' // disabled, to be deleted, gone, or denied
    | 'kek-unknown' // its key manager could not be asked
    | 'kek-region' // in a region that the tenant's residency does not allow
    | 'kek-protection' // protected less than the tier asks for
    | 'kek-shared' // the platform's, where the tier asks for the tenant's own
    | 'keys-missing' // no active data key, or no blind-index secret
    | 'kek-pending'; // made for a move that did not end
  readonly message: string;
}

/** A KEK as the catalog has it and as its key manager describes it now. */
export interface KekStatus {
  readonly provider: string;
  readonly keyRef: string;
  /** Whose it is. */
  readonly owner: 'platform' | 'tenant';
  readonly catalogState: 'pending' | 'active' | 'retired' | 'destroyed';
  /** How many of the tenant's keys it wraps. */
  readonly wraps: number;
  /** What the key manager says; undefined when it could not be asked, `problems` says why. */
  readonly region: string | undefined;
  readonly protection: KeyProtection | undefined;
  readonly state: KeyDescription['state'] | undefined;
}

/** One tenant's keys. */
export interface KeyStatus {
  readonly tenantId: string;
  readonly keks: readonly KekStatus[];
  readonly dataKeys: readonly {
    readonly version: number;
    readonly state: DataKeyState;
    readonly createdAt: Date;
    /** How many values have it; counted while a rotation rewrites rows. */
    readonly values: number | undefined;
  }[];
  /** Whether the secret of its blind indexes is there. */
  readonly indexSecret: boolean;
  /** The newest rotation of its data key. */
  readonly rotation:
    | {
        readonly version: number;
        readonly step: 'published' | 'current' | 'done';
        readonly startedAt: Date;
        readonly finishedAt: Date | undefined;
      }
    | undefined;
  /** When its keys were destroyed. */
  readonly shreddedAt: Date | undefined;
  readonly problems: readonly KeyProblem[];
}

/** How far a rotation of a tenant's data key has come. */
export interface KeyRotationReport {
  readonly tenantId: string;
  /** The version that takes over. */
  readonly version: number;
  /** Whether this run went on with one that had begun. */
  readonly resumed: boolean;
  readonly step: 'published' | 'current' | 'done';
  /** Values that were encrypted anew, by all runs. */
  readonly rewritten: number;
  /** Values on older versions that are still to be rewritten. */
  readonly remaining: number;
  /** Values that look encrypted and don't open at their place: the older version would not open them either. */
  readonly unreadable: number;
  /** The versions that went out of use. They stay wrapped in the catalog, and readable, until `destroyRetiredKey`. */
  readonly retired: readonly number[];
  /** Processes that the next step waits for; run it again to go on. */
  readonly waitingFor: readonly SilentProcess[];
}

/** How far the rows have come. */
export interface KeyRotationProgress {
  /** `table.column`. */
  readonly column: string;
  /** Values encrypted anew so far, and values that there were to do. */
  readonly done: number;
  readonly total: number;
}

/** How {@link ControlPlane.rotateKeys} goes about it. */
export interface KeyRotationOptions {
  readonly actor?: string | undefined;
  /** Rows in one transaction; 200 unless told. */
  readonly batchSize?: number | undefined;
  /** At most so many values a second; as many as go unless told. */
  readonly rowsPerSecond?: number | undefined;
  /** How long to wait for services to follow, in milliseconds; 30,000 unless told. */
  readonly waitMs?: number | undefined;
  /** Ends it after the batch that is under way; running it again goes on from there. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: KeyRotationProgress) => void) | undefined;
}

/** What re-wrapping did. */
export interface KeyMoveReport {
  readonly tenantId: string;
  /** How many wrapped keys were replaced. */
  readonly rewrapped: number;
  readonly from: { readonly provider: string; readonly keyRef: string };
  readonly to: { readonly provider: string; readonly keyRef: string };
  /** What protects the new KEK in truth. */
  readonly protection: KeyProtection;
  /** The tenant's own former KEKs that were disabled. */
  readonly disabled: readonly string[];
  /** Processes that disabling waits for; run it again. */
  readonly waitingFor: readonly SilentProcess[];
}

/** Where a tenant's keys are moved to. */
export interface KeyMoveOptions {
  readonly actor?: string | undefined;
  /** The key manager; the one that wraps them now unless told. */
  readonly provider?: string | undefined;
  /** A KEK of the tenant's own with this protection; what its tier asks for unless told. */
  readonly protection?: KeyProtection | undefined;
  /** Whether to disable the tenant's own former KEKs once no process needs them; false unless told. */
  readonly disableOld?: boolean | undefined;
  /** How long to wait for services before that, in milliseconds; 30,000 unless told. */
  readonly waitMs?: number | undefined;
}

/** What re-wrapping the platform's secrets did. */
export interface PlatformRewrapReport {
  /** Tenants whose keys the platform's KEKs wrap. */
  readonly tenants: number;
  /** Context masters, certificate keys and logins. */
  readonly secrets: number;
  /** The platform's KEKs that wrap everything now, one in each key manager. */
  readonly keks: readonly string[];
  /** Those that wrap nothing new any more. Audit chains stay under them: keep them enabled. */
  readonly retired: readonly string[];
}
