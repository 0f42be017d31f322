import type { Auditor } from '../audit/auditor.ts';
import type { CatalogReader } from '../catalog/catalog-reader.ts';
import type { CatalogSession } from '../catalog/catalog-session.ts';
import { KeyManagerError } from '../errors.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import { CachedKeyRing, type CachedKeyRingOptions, type KeyLoad } from './cached-key-ring.ts';
import { ProcessRegistration } from './process-registration.ts';

/** How long a service keeps tenants' keys in memory; docs/encryption.md, "Keys". */
export type KeyCacheOptions = Pick<CachedKeyRingOptions, 'ttlMs' | 'refreshMs' | 'staleGraceMs' | 'maxEntries' | 'loadTimeoutMs'>;

/** What a service's keys work with. */
export interface ServiceKeysParts {
  readonly session: CatalogSession;
  readonly reader: CatalogReader;
  readonly managers: KeyManagers;
  readonly auditor: Auditor;
  /** What people know this process by. */
  readonly name: string;
  readonly options?: KeyCacheOptions | undefined;
}

/** A service's keys: the ring, and the registration through which the control plane is heard. */
export class ServiceKeys {
  readonly ring: CachedKeyRing;
  readonly #registration: ProcessRegistration;

  constructor({ session, reader, managers, auditor, name, options }: ServiceKeysParts) {
    this.ring = new CachedKeyRing({
      ...options,
      managers,
      source: {
        load: async (tenantId) => {
          await this.#registration.ready();
          return await reader.wrappedKeys(tenantId);
        },
      },
      onLoad: (tenantId, load) => {
        // Nobody waits for it: keys are used whether or not it can be kept.
        auditor.record({ action: 'key', tenantId, ...entryOf(load) }).catch(() => {});
      },
    });
    this.#registration = new ProcessRegistration({
      session,
      name,
      providers: managers.providers,
      keyLifeMs: this.ring.keyLifeMs,
      follow: async ({ tenantId, kind }) => {
        if (kind === 'forget') this.ring.forget(tenantId);
        else await this.ring.reload(tenantId);
      },
    });
  }

  /** There may be a notice for this process. */
  look(): void {
    this.#registration.look();
  }

  async close(): Promise<void> {
    await this.ring.close();
    await this.#registration.close();
  }
}

function entryOf(load: KeyLoad) {
  if (load.outcome === 'unwrapped') {
    const detail = { versions: load.versions.join(','), providers: load.providers.join(',') };
    return { outcome: 'completed', reason: 'unwrap', detail } as const;
  }
  const detail = load.error instanceof KeyManagerError ? { refusal: load.error.reason } : {};
  return { outcome: 'refused', reason: 'unwrap', errorCode: load.error.code, detail } as const;
}
