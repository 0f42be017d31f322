import { createHash } from 'node:crypto';
import { z } from 'zod';
import { CertificateKeyStore } from '../catalog/certificate-key-store.ts';
import { KeyLifeStore, type StoredKek } from '../catalog/key-life-store.ts';
import { KeyStore } from '../catalog/key-store.ts';
import { ProcessStore } from '../catalog/process-store.ts';
import { ShredStore, type StoredShred } from '../catalog/shred-store.ts';
import { CatalogError, ConfigurationError, KeyManagerError, TenancyError } from '../errors.ts';
import { CertificateAuthority } from '../keys/certificate-authority.ts';
import { withKeyLock } from './key-lock.ts';
import { followed, type KeyLifeParts, recorded } from './key-parts.ts';
import type { KekEvidence, KeyShredOptions, ShredCertificate } from './shred-certificate.ts';

const signed = z.looseObject({ keyId: z.string(), signature: z.string() });

/**
 * Destroys a tenant's keys, so that what was encrypted under them is gone: the wrapped keys in one transaction, then the tenant's own KEK,
 * then the keys in the memory of every process. Running it again goes on with what an earlier run left, and certifies anew.
 */
export class KeyShred {
  readonly #parts: KeyLifeParts;
  readonly #keys: KeyLifeStore;
  readonly #shreds: ShredStore;
  readonly #processes: ProcessStore;
  readonly #authority: CertificateAuthority;

  constructor(parts: KeyLifeParts) {
    this.#parts = parts;
    this.#keys = new KeyLifeStore(parts.catalog);
    this.#shreds = new ShredStore(parts.catalog);
    this.#processes = new ProcessStore(parts.catalog);
    this.#authority = new CertificateAuthority({
      store: new CertificateKeyStore(parts.catalog),
      keks: new KeyStore(parts.catalog),
      managers: parts.managers,
    });
  }

  async shred(tenantId: string, options: KeyShredOptions): Promise<ShredCertificate> {
    if (options.confirm !== tenantId) {
      throw new ConfigurationError(`The keys of tenant ${tenantId} were not shredded: the confirmation names another tenant.`, {
        tenantId,
        hint: 'Repeat the tenant’s id as confirm.',
      });
    }
    for (const name of ['actor', 'reason'] as const) {
      if (typeof options[name] !== 'string' || options[name].trim() === '')
        throw new ConfigurationError(`Shredding keys needs ${name}: the certificate names it.`, { tenantId });
    }
    const { tenant } = await this.#parts.tenants.require(tenantId);
    return await withKeyLock(this.#parts.catalogUrl, tenantId, async () => {
      const before = await this.#shreds.find(tenantId);
      if (before === undefined && tenant.status === 'active' && options.force !== true) {
        throw new CatalogError(`The tenant ${tenantId} is active: its keys were not shredded.`, {
          tenantId,
          hint: 'Suspend it first, or force it.',
        });
      }
      const forced = before?.forced ?? tenant.status === 'active';
      return await recorded(
        this.#parts.auditor,
        { targetTenantId: tenantId, reason: 'shred', actor: options.actor },
        async () => await this.#shred(tenantId, forced, options),
        ({ complete, keys, processes }) => ({ complete, keys: keys.length, why: options.reason, silent: processes.silent.length }),
      );
    });
  }

  /** Whether a certificate is one that this platform signed, unchanged. */
  async isCertified(certificate: unknown): Promise<boolean> {
    const parsed = signed.safeParse(certificate);
    return parsed.success && (await this.#authority.isSigned(parsed.data));
  }

  async #shred(tenantId: string, forced: boolean, options: KeyShredOptions): Promise<ShredCertificate> {
    if ((await this.#shreds.find(tenantId)) === undefined) await this.#destroy(tenantId, forced, options);
    const shred = (await this.#shreds.find(tenantId))!;
    const keks: KekEvidence[] = [];
    // Never one that is the platform's, whatever else it may still wrap for this tenant: every other tenant's keys are under it.
    for (const kek of (await this.#keys.keks(tenantId)).filter((one) => one.tenantId === tenantId))
      keks.push(await this.#end(kek, options));
    await followed(this.#processes, shred.notice, options);
    const processes = await this.#answersOf(shred);
    const certificate = await this.#authority.sign({
      format: 'tenancy.shred-certificate/1' as const,
      tenantId,
      shreddedAt: shred.at.toISOString(),
      issuedAt: new Date().toISOString(),
      orderedBy: shred.actor,
      reason: shred.reason,
      forced: shred.forced,
      keys: shred.keys,
      keks,
      processes,
      complete: processes.silent.length === 0 && keks.every(({ failure }) => failure === undefined),
    });
    await this.#shreds.keepCertificate(tenantId, certificate);
    return certificate;
  }

  /** The wrapped keys, what is known of them afterwards, and the word to every process: all of it or nothing. */
  async #destroy(tenantId: string, forced: boolean, { actor, reason }: KeyShredOptions): Promise<void> {
    await this.#parts.catalog.transaction({ doing: `shredding the keys of ${tenantId}`, tenantId }, async (session) => {
      const deleted = await new KeyLifeStore(session).deleteAll(tenantId);
      if (deleted.length === 0) {
        throw new CatalogError(`The catalog has no keys of the tenant ${tenantId}: there is nothing to shred.`, { tenantId });
      }
      const processes = new ProcessStore(session);
      const notice = await processes.tell(tenantId, 'forget');
      await new ShredStore(session).insert({
        tenantId,
        actor,
        reason,
        forced,
        notice,
        keys: deleted.map(({ purpose, version, wrapped }) => ({
          purpose,
          version,
          provider: wrapped.provider,
          keyRef: wrapped.keyRef,
          wrappedSha256: createHash('sha256').update(wrapped.ciphertext).digest('hex'),
        })),
        told: (await processes.known()).map(({ id, name }) => ({ id, name })),
      });
    });
  }

  /** Disables the tenant's own KEK and has it deleted, as far as was asked for; what its key manager says then is the evidence. */
  async #end(kek: StoredKek, { kek: what = 'delete', deletionDays = 30 }: KeyShredOptions): Promise<KekEvidence> {
    const { provider, keyRef } = kek;
    const at = (): string => new Date().toISOString();
    try {
      const manager = this.#parts.managers.for(provider);
      const before = await manager.describe(keyRef);
      if (what !== 'keep' && before.state === 'enabled') await manager.disable(keyRef);
      if (what === 'delete' && before.state !== 'pendingDeletion') await manager.scheduleDeletion(keyRef, deletionDays);
      if (what === 'delete') await this.#keys.setKekState(kek.id, 'destroyed');
      const { state, protection, region } = await manager.describe(keyRef);
      return { provider, keyRef, at: at(), state, protection, region };
    } catch (error) {
      if (error instanceof KeyManagerError && error.reason === 'notFound') {
        await this.#keys.setKekState(kek.id, 'destroyed');
        return { provider, keyRef, at: at(), state: 'gone' };
      }
      if (!(error instanceof TenancyError)) throw error;
      return { provider, keyRef, at: at(), failure: error instanceof KeyManagerError ? error.reason : error.code };
    }
  }

  async #answersOf({ told, notice }: StoredShred): Promise<ShredCertificate['processes']> {
    const rows = await this.#processes.answers(notice);
    const unheard = rows.filter(({ acknowledged }) => !acknowledged);
    const name = ({ id, name: shown }: { readonly id: string; readonly name: string }) => ({ id, name: shown });
    return {
      // One that has ended since holds no keys either.
      acknowledged: told.filter(({ id }) => !unheard.some((row) => row.id === id)).map(name),
      expired: unheard.filter(({ over }) => over).map((row) => ({ ...name(row), keysEndedAt: row.keysEndAt.toISOString() })),
      silent: unheard.filter(({ over }) => !over).map((row) => ({ ...name(row), keysEndAt: row.keysEndAt.toISOString() })),
    };
  }
}
