import { z } from 'zod';
import { CatalogError } from '../errors.ts';
import type { WrappedKey } from '../kms/key-manager.ts';
import type { ContextMaster } from './context-master.ts';
import type { WrappedTenantKeys } from './wrapped-tenant-keys.ts';

const wrapped = { provider: z.string(), key_ref: z.string(), key_version: z.string().nullable(), wrapped: z.instanceof(Buffer) };

const dataKeyRow = z.object({ purpose: z.string(), version: z.number(), state: z.string(), ...wrapped });

const contextMasterRow = z.object({ key_id: z.string(), created_at: z.date(), retired_at: z.date().nullable(), ...wrapped });

/**
 * Puts one tenant's rows of `tenancy.data_keys` together; undefined when it has none.
 *
 * @throws {CatalogError} when a data key or the blind-index secret is missing
 */
export function wrappedTenantKeysOf(tenantId: string, rows: readonly unknown[]): WrappedTenantKeys | undefined {
  if (rows.length === 0) return undefined;
  const keys = z
    .array(dataKeyRow)
    .parse(rows)
    .sort((a, b) => a.version - b.version);
  const data = keys.filter((key) => key.purpose === 'data');
  const current = data.findLast((key) => key.state === 'active');
  const secret = keys.findLast((key) => key.purpose === 'blind-index' && key.state === 'active');
  if (current === undefined || secret === undefined) {
    throw new CatalogError(
      `The tenant ${tenantId} has no active ${current === undefined ? 'data key' : 'blind-index secret'} in the catalog.`,
      {
        tenantId,
        hint: 'Provision it again: the run adds what is missing.',
      },
    );
  }
  return Object.freeze({
    tenantId,
    dataKeys: Object.freeze(data.map((key) => Object.freeze({ version: key.version, wrapped: wrappedKeyOf(key) }))),
    currentVersion: current.version,
    indexSecret: wrappedKeyOf(secret),
  });
}

export function contextMasterOf(row: unknown): ContextMaster {
  const master = contextMasterRow.parse(row);
  return Object.freeze({
    keyId: master.key_id,
    wrapped: wrappedKeyOf(master),
    createdAt: master.created_at,
    retiredAt: master.retired_at ?? undefined,
  });
}

function wrappedKeyOf(row: { provider: string; key_ref: string; key_version: string | null; wrapped: Buffer }): WrappedKey {
  return Object.freeze({
    provider: row.provider,
    keyRef: row.key_ref,
    keyVersion: row.key_version ?? undefined,
    ciphertext: row.wrapped,
  });
}
