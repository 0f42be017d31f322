import type { AuditEvent } from '../audit/audit-event.ts';
import type { Auditor } from '../audit/auditor.ts';
import type { CredentialStore } from '../catalog/credential-store.ts';
import type { KeyStore } from '../catalog/key-store.ts';
import type { DatabaseAddress } from '../connection/credentials.ts';
import { CatalogError, TenancyError } from '../errors.ts';
import { withClient } from '../provision/admin-client.ts';
import type { ContextAuthority } from '../provision/context-authority.ts';
import type { OwnerAccess } from '../provision/owner-access.ts';
import type { PlatformKeys } from '../provision/platform-keys.ts';
import { removeContextKey } from '../rls/install-context-key.ts';

/** Ten minutes: services hear of a new key within moments, and what the old one signed expires within two and a half minutes. */
const graceSeconds = 600;

/** What rotating context keys works with. */
export interface ContextRotationParts {
  readonly keyStore: KeyStore;
  readonly credentials: CredentialStore;
  readonly keys: PlatformKeys;
  readonly authority: ContextAuthority;
  readonly owners: OwnerAccess;
  readonly auditor: Auditor;
}

/**
 * Replaces the key that signs contexts, in two steps and without a moment in which one that is valid is refused. Both are recorded before
 * they begin, and after with how they ended.
 */
export class ContextRotation {
  readonly #parts: ContextRotationParts;

  constructor(parts: ContextRotationParts) {
    this.#parts = parts;
  }

  /**
   * Makes a key, installs it in every database, and only then lets services sign with it. Contexts of the old key stay valid. When it fails
   * in between, nobody signs with the new key, and running it again makes another.
   *
   * @param actor who does it, for the audit log
   * @returns the new key's id
   */
  async rotate(actor?: string): Promise<string> {
    return await this.#recorded('context key rotation', actor, async () => {
      const keyId = await this.#rotate();
      return { result: keyId, detail: { keyId } };
    });
  }

  /**
   * Takes every key but the newest out of use and out of the databases.
   *
   * @param actor who does it, for the audit log
   * @returns the ids of the keys that are retired
   * @throws {CatalogError} retryable, while the newest key is younger than ten minutes
   */
  async retire(actor?: string): Promise<readonly string[]> {
    return await this.#recorded('context key retirement', actor, async () => {
      const retired = await this.#retire();
      return { result: retired, detail: { retired: retired.join(' ') } };
    });
  }

  async #rotate(): Promise<string> {
    const { keyStore, keys, authority, owners } = this.#parts;
    const master = await keys.nextContextMaster();
    const installed = new Set<string>();
    const installEverywhere = async (): Promise<void> => {
      for (const address of await this.#parts.credentials.databases()) {
        const place = `${address.clusterId}/${address.database}`;
        if (installed.has(place)) continue;
        await this.#asOwner(address, async (sql) => await authority.installMaster(sql, address, master));
        installed.add(place);
      }
    };
    await installEverywhere();
    if (!(await keyStore.insertContextMaster(master.keyId, master.wrapped))) {
      throw new CatalogError(`Another process made the context key ${master.keyId} meanwhile.`, { retryable: true, hint: 'Run it again.' });
    }
    // A database that was made in the meantime has the old keys only.
    await installEverywhere();
    owners.clear();
    return master.keyId;
  }

  async #retire(): Promise<readonly string[]> {
    const retired = await this.#parts.keyStore.retireContextMasters(graceSeconds);
    if (retired === undefined) {
      throw new CatalogError('The newest context key is younger than ten minutes: services may still sign with the one before.', {
        retryable: true,
        hint: 'Wait, then run it again.',
      });
    }
    this.#parts.owners.clear();
    // Those of an earlier run too, which may have ended in between.
    const gone = (await this.#parts.keyStore.contextMasters()).filter(({ retiredAt }) => retiredAt !== undefined).map(({ keyId }) => keyId);
    for (const address of await this.#parts.credentials.databases()) {
      await this.#asOwner(address, async (sql) => {
        for (const keyId of gone) await removeContextKey(sql, keyId);
      });
    }
    return retired;
  }

  async #recorded<T>(
    reason: string,
    actor: string | undefined,
    work: () => Promise<{ readonly result: T; readonly detail: AuditEvent['detail'] }>,
  ): Promise<T> {
    const entry = { action: 'key', reason, actor } as const;
    const { auditor } = this.#parts;
    await auditor.record({ ...entry, outcome: 'allowed' });
    let done: Awaited<ReturnType<typeof work>>;
    try {
      done = await work();
    } catch (error) {
      await auditor.record({ ...entry, outcome: 'failed', errorCode: error instanceof TenancyError ? error.code : undefined });
      throw error;
    }
    await auditor.record({ ...entry, outcome: 'completed', detail: done.detail });
    return done.result;
  }

  async #asOwner(address: DatabaseAddress, callback: Parameters<typeof withClient<void>>[1]): Promise<void> {
    await withClient((await this.#parts.owners.of(address)).url, callback);
  }
}
