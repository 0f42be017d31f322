import { LoggedOut, returnValueOf } from './pkcs11-failure.ts';
import type { Attribute, Handle } from './pkcs11-sdk.ts';
import type { Pkcs11Session } from './pkcs11-token.ts';

/** What a token says of a handle behind which there is nothing any more, or something else that lacks the attribute. */
const gone: ReadonlySet<string> = new Set(['CKR_OBJECT_HANDLE_INVALID', 'CKR_KEY_HANDLE_INVALID', 'CKR_ATTRIBUTE_TYPE_INVALID']);

/** Every object of the token that has these attributes. Some tokens go through all that they hold for it: tens of milliseconds for 1,000. */
export function findObjects({ library, handle }: Pkcs11Session, template: readonly Attribute[]): readonly Handle[] {
  const found: Handle[] = [];
  library.C_FindObjectsInit(handle, template);
  try {
    for (;;) {
      const some = library.C_FindObjects(handle, 100);
      if (some.length === 0) return found;
      found.push(...some);
    }
  } finally {
    library.C_FindObjectsFinal(handle);
  }
}

/** An attribute's bytes; none when it is empty. */
export function readAttribute({ library, handle }: Pkcs11Session, object: Handle, type: number): Buffer {
  return Buffer.from((library.C_GetAttributeValue(handle, object, [{ type }])[0]?.value ?? '') as Buffer);
}

/** What kind of object it is: a CKO_ number. */
export function classOf(session: Pkcs11Session, object: Handle): number {
  return readAttribute(session, object, session.sdk.CKA_CLASS).readUInt32LE();
}

/** Whether there is an object behind a handle of earlier, and it is of that class and has those attributes. */
export function isStill(session: Pkcs11Session, object: Handle, wanted: number, attributes: readonly Attribute[]): boolean {
  const { sdk, library, handle } = session;
  try {
    const types = [{ type: sdk.CKA_CLASS }, ...attributes.map(({ type }) => ({ type }))];
    const [kind, ...values] = library.C_GetAttributeValue(handle, object, types).map(({ value }) => Buffer.from((value ?? '') as Buffer));
    return kind?.readUInt32LE() === wanted && attributes.every(({ value }, i) => values[i]?.equals(Buffer.from(value as string)) === true);
  } catch (error) {
    if (!gone.has(returnValueOf(error) ?? '')) throw error;
    return false;
  }
}

/** CKS_RO_USER_FUNCTIONS and CKS_RW_USER_FUNCTIONS, which the types of pkcs11js leave out. */
const userStates: ReadonlySet<number> = new Set([1, 3]);

/** Whoever found nothing must ask this before believing it: a log-out anywhere in the process hides every private object. @throws {LoggedOut} */
export function requireLogin({ library, handle }: Pkcs11Session): void {
  if (!userStates.has(library.C_GetSessionInfo(handle).state)) throw new LoggedOut();
}

/** Destroys an object, unless another process was first. */
export function destroyObject({ library, handle }: Pkcs11Session, object: Handle): void {
  try {
    library.C_DestroyObject(handle, object);
  } catch (error) {
    if (!gone.has(returnValueOf(error) ?? '')) throw error;
  }
}
