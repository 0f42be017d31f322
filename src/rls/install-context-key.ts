import type { KeyObject } from 'node:crypto';
import type { Sql } from 'postgres';
import { contextKeyPads } from './context-key-pads.ts';

/**
 * Installs a database's context key, as its owner; a key that is there already is replaced by what is given. Keys of other ids stay, so that
 * contexts signed before a rotation are still understood.
 */
export async function installContextKey(owner: Sql, { keyId, key }: { readonly keyId: string; readonly key: KeyObject }): Promise<void> {
  const { inner, outer } = contextKeyPads(key);
  await owner`
    insert into tenancy.context_keys (key_id, inner_pad, outer_pad) values (${keyId}, ${inner}, ${outer})
    on conflict (key_id) do update set inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad
    where (context_keys.inner_pad, context_keys.outer_pad) is distinct from (excluded.inner_pad, excluded.outer_pad)`;
}

/** Removes a retired key: contexts that it signed are refused from then on. */
export async function removeContextKey(owner: Sql, keyId: string): Promise<void> {
  await owner`delete from tenancy.context_keys where key_id = ${keyId}`;
}
