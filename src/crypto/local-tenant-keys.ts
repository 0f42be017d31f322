import type { KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { ConfigurationError, EncryptedColumnError } from '../errors.ts';
import { requireDataKey } from './data-key.ts';
import { hkdf } from './hkdf.ts';
import { lengthPrefixed } from './length-prefixed.ts';
import type { TenantKeys } from './tenant-keys.ts';

/** One tenant's unwrapped keys, as the key ring hands them over. */
export interface LocalTenantKeysOptions {
  readonly tenantId: string;
  /** The version that new values are encrypted with; from 1. */
  readonly currentVersion: number;
  /** Data keys of 32 bytes by version. */
  readonly dataKeys: ReadonlyMap<number, KeyObject>;
  /** The secret, 32 bytes, from which the keys of all blind indexes are derived. Rotating data keys leaves it alone. */
  readonly indexSecret: KeyObject;
}

/** Shared by all that were fetched for one tenant while a statement held any of them. */
interface Material {
  readonly dataKeys: Map<number, KeyObject>;
  indexSecret: KeyObject | undefined;
  readonly indexKeys: Map<string, Map<string, KeyObject>>;
}

/**
 * A tenant's keys in this process's memory. The key of a blind index is HKDF-SHA-256 of the index secret with {@link lengthPrefixed}
 * `tenancy.blind-index`, tenant id, table, column as info: equal values in two columns or of two tenants have unrelated indexes.
 *
 * @example
 * ```ts
 * const keys = new LocalTenantKeys({ tenantId: 'tenant-100', currentVersion: 1, dataKeys: new Map([[1, dataKey]]), indexSecret });
 * ```
 */
export class LocalTenantKeys implements TenantKeys {
  readonly tenantId: string;
  readonly currentVersion: number;
  #material: Material;

  /** @throws {ConfigurationError} when a key has not 32 bytes, a version is not a positive u32, or the current version has no key */
  constructor(options: LocalTenantKeysOptions) {
    this.tenantId = options.tenantId;
    this.currentVersion = options.currentVersion;
    this.#material = { dataKeys: new Map(options.dataKeys), indexSecret: requireDataKey(options.indexSecret), indexKeys: new Map() };
    const { dataKeys } = this.#material;
    for (const [version, key] of dataKeys) {
      if (!Number.isInteger(version) || version < 1 || version > 0xffff_ffff) {
        throw new ConfigurationError(`Tenant ${this.tenantId} has a data key of version ${version}.`, {
          tenantId: this.tenantId,
          hint: 'Versions are whole numbers from 1.',
        });
      }
      requireDataKey(key);
    }
    if (!dataKeys.has(this.currentVersion)) {
      throw new ConfigurationError(`Tenant ${this.tenantId} has no data key of its current version ${this.currentVersion}.`, {
        tenantId: this.tenantId,
        hint: 'Check the tenant’s data keys in the catalog.',
      });
    }
    Object.freeze(this);
  }

  dataKey(version: number): KeyObject | undefined {
    return this.#material.dataKeys.get(version);
  }

  indexKey(table: string, column: string): KeyObject {
    const { indexSecret, indexKeys } = this.#material;
    let byColumn = indexKeys.get(table);
    if (byColumn === undefined) {
      byColumn = new Map();
      indexKeys.set(table, byColumn);
    }
    let key = byColumn.get(column);
    if (key === undefined) {
      if (indexSecret === undefined) {
        throw new EncryptedColumnError(
          `The index key of ${table}.${column} was asked for after the keys of tenant ${this.tenantId} were destroyed.`,
          {
            tenantId: this.tenantId,
          },
        );
      }
      key = hkdf(indexSecret, lengthPrefixed(['tenancy.blind-index', this.tenantId, table, column]));
      byColumn.set(column, key);
    }
    return key;
  }

  /**
   * Takes the place of keys that were fetched earlier: statements that still hold those find every version that there is now, and none that
   * is gone.
   */
  replace(earlier: LocalTenantKeys): void {
    const shared = earlier.#material;
    if (shared === this.#material || earlier.tenantId !== this.tenantId) return;
    shared.dataKeys.clear();
    for (const [version, key] of this.#material.dataKeys) shared.dataKeys.set(version, key);
    this.#material = shared;
  }

  /** Lets go of all material, also for statements that are under way: from now on nothing opens and nothing is encrypted. */
  destroy(): void {
    this.#material.dataKeys.clear();
    this.#material.indexSecret = undefined;
    this.#material.indexKeys.clear();
  }

  /** Never any material: tenant and versions only. */
  toJSON(): { readonly tenantId: string; readonly currentVersion: number; readonly versions: readonly number[] } {
    return { tenantId: this.tenantId, currentVersion: this.currentVersion, versions: [...this.#material.dataKeys.keys()] };
  }

  [inspect.custom](): string {
    return `LocalTenantKeys(${this.tenantId}, version ${this.currentVersion}, material hidden)`;
  }
}
