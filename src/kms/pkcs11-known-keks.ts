import { isStill } from './pkcs11-objects.ts';
import type { Handle } from './pkcs11-sdk.ts';
import type { Pkcs11Session } from './pkcs11-token.ts';

/** Where a KEK without marks was found. */
export interface KnownKek {
  readonly key: Handle;
  /** The object whose being there says that the key has no marks. */
  readonly clearance: Handle;
}

/** What a clearance says in its CKA_APPLICATION: another word than marks have, so that none is taken for the other. */
export const clearanceApplication = 'tenancy.unmarked';

/** Handles take some hundred bytes each; beyond this the one found longest ago is searched for again. */
const mostKeks = 10_000;

/*
 * The standard lets a handle of a private token object live as long as the login that it was found in (C_Logout, C_CloseSession), so
 * handles are kept beside their session, and a new session begins with none. A token may give the handle of a destroyed object to another
 * one, and other processes destroy objects behind our back: so what is behind a handle is read again before each use.
 */
const bySession = new WeakMap<Pkcs11Session, Map<string, KnownKek>>();

/** A KEK that was found in this session earlier, is the same object still, and has no marks; undefined when it must be searched for. */
export function knownKek(session: Pkcs11Session, keyRef: string, id: Buffer): Handle | undefined {
  const known = bySession.get(session)?.get(keyRef);
  if (known === undefined) return undefined;
  const { sdk } = session;
  const label = { type: sdk.CKA_LABEL, value: keyRef };
  const isCleared = isStill(session, known.clearance, sdk.CKO_DATA, [label, { type: sdk.CKA_APPLICATION, value: clearanceApplication }]);
  if (isCleared && isStill(session, known.key, sdk.CKO_SECRET_KEY, [label, { type: sdk.CKA_ID, value: id }])) return known.key;
  bySession.get(session)?.delete(keyRef);
  return undefined;
}

/** Keeps where a KEK was found, for {@link knownKek}. */
export function rememberKek(session: Pkcs11Session, keyRef: string, known: KnownKek): void {
  const keks = bySession.get(session) ?? new Map<string, KnownKek>();
  bySession.set(session, keks.set(keyRef, known));
  for (const oldest of keks.keys()) {
    if (keks.size <= mostKeks) break;
    keks.delete(oldest);
  }
}
