import type { KeyObject } from 'node:crypto';
import type { Sql } from 'postgres';
import { CatalogError } from '../errors.ts';
import { failureName } from '../sql/failure-name.ts';
import { contextKeyPads } from './context-key-pads.ts';

/**
 * Installs a database's context key, as its owner; idempotent. Keys of other ids stay, so that contexts signed before a rotation are still
 * understood until {@link removeContextKey}.
 *
 * @throws {CatalogError} when the database has no schema `tenancy`, or the login is not its owner
 * @example
 * ```ts
 * await installContextKey(owner, { keyId: 'k1', key: deriveContextKey(master, { keyId: 'k1', clusterId, database }) });
 * ```
 */
export async function installContextKey(owner: Sql, { keyId, key }: { readonly keyId: string; readonly key: KeyObject }): Promise<void> {
  const { inner, outer } = contextKeyPads(key);
  try {
    await owner`
      insert into tenancy.context_keys (key_id, inner_pad, outer_pad) values (${keyId}, ${inner}, ${outer})
      on conflict (key_id) do update set inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad
      where (context_keys.inner_pad, context_keys.outer_pad) is distinct from (excluded.inner_pad, excluded.outer_pad)`;
  } catch (error) {
    throw withoutParameters(`Installing the context key ${keyId}`, error);
  } finally {
    inner.fill(0);
    outer.fill(0);
  }
}

/**
 * Removes a retired key: contexts that it signed are refused from then on.
 *
 * @throws {CatalogError} as {@link installContextKey}
 */
export async function removeContextKey(owner: Sql, keyId: string): Promise<void> {
  try {
    await owner`delete from tenancy.context_keys where key_id = ${keyId}`;
  } catch (error) {
    throw withoutParameters(`Removing the context key ${keyId}`, error);
  }
}

/** The driver's error holds the statement's parameters: here they are the key. */
function withoutParameters(doing: string, error: unknown): CatalogError {
  return new CatalogError(`${doing} failed (${failureName(error)}).`, {
    hint: 'Only the owner of schema tenancy may, in a database that holds it.',
  });
}
