import { randomBytes } from 'node:crypto';
import { clearanceApplication, knownKek, rememberKek } from './pkcs11-known-keks.ts';
import { classOf, destroyObject, findObjects, readAttribute, requireLogin } from './pkcs11-objects.ts';
import type { Handle } from './pkcs11-sdk.ts';
import type { Pkcs11Session } from './pkcs11-token.ts';

/** A KEK as the token has it now. */
export interface Pkcs11Kek {
  readonly handle: Handle;
  readonly state: 'enabled' | 'disabled' | 'pendingDeletion';
  readonly deleteAt: Date | undefined;
}

/** What marks objects of this library in a token, as their CKA_APPLICATION. */
const application = 'tenancy';
const disabledMark = 'disabled';
const deleteMark = 'delete-at ';
const named = /^tenancy-(.+)-([0-9a-f]{32})$/;

/*
 * Tokens know neither disabled keys nor keys that are to be deleted. A mark is a data object with the key's label: marks are only ever
 * added, so processes that change one key at the same time need no lock, and every process sees a mark with its next call.
 *
 * Searching for marks is what takes long in a token with many objects. So a key is made with a clearance, another data object, which whoever
 * marks the key destroys before: while it is there, there are no marks. It is never made again, hence no process can put one beside a mark;
 * a key without one is searched for with each call.
 */

/** A name for a new KEK: `tenancy-<tenant>-<id>`; the id's first 6 bytes are the time in milliseconds. */
export function newKekName(tenantId: string): string {
  const id = randomBytes(16);
  id.writeUIntBE(Date.now(), 0, 6);
  return `tenancy-${tenantId}-${id.toString('hex')}`;
}

/** When a KEK was made, by the clock of the process that made it. */
export function madeAt(keyRef: string): Date {
  return new Date(idOf(keyRef)!.readUIntBE(0, 6));
}

/** Makes an AES-256 key in the token that never leaves it. */
export function makeKek({ sdk, library, handle }: Pkcs11Session, keyRef: string): void {
  // The key last: when the token takes the one and not the other, no key is left over that nobody knows.
  library.C_CreateObject(handle, [
    { type: sdk.CKA_CLASS, value: sdk.CKO_DATA },
    { type: sdk.CKA_TOKEN, value: true },
    { type: sdk.CKA_PRIVATE, value: true },
    { type: sdk.CKA_APPLICATION, value: clearanceApplication },
    { type: sdk.CKA_LABEL, value: keyRef },
  ]);
  library.C_GenerateKey(handle, { mechanism: sdk.CKM_AES_KEY_GEN }, [
    { type: sdk.CKA_CLASS, value: sdk.CKO_SECRET_KEY },
    { type: sdk.CKA_KEY_TYPE, value: sdk.CKK_AES },
    { type: sdk.CKA_VALUE_LEN, value: 32 },
    { type: sdk.CKA_LABEL, value: keyRef },
    { type: sdk.CKA_ID, value: idOf(keyRef)! },
    { type: sdk.CKA_TOKEN, value: true },
    { type: sdk.CKA_PRIVATE, value: true },
    { type: sdk.CKA_SENSITIVE, value: true },
    { type: sdk.CKA_EXTRACTABLE, value: false },
    { type: sdk.CKA_ENCRYPT, value: true },
    { type: sdk.CKA_DECRYPT, value: true },
    { type: sdk.CKA_WRAP, value: false },
    { type: sdk.CKA_UNWRAP, value: false },
    { type: sdk.CKA_SIGN, value: false },
    { type: sdk.CKA_VERIFY, value: false },
    { type: sdk.CKA_DERIVE, value: false },
  ]);
}

/** A KEK with its marks; undefined when there is none, or its time was over: then this call destroyed it. */
export function findKek(session: Pkcs11Session, keyRef: string): Pkcs11Kek | undefined {
  const id = idOf(keyRef);
  if (id === undefined) return undefined;
  const known = knownKek(session, keyRef, id);
  if (known !== undefined) return { handle: known, state: 'enabled', deleteAt: undefined };
  const { sdk } = session;
  // One search for all: a token may go through all its objects for each.
  const objects = findObjects(session, [{ type: sdk.CKA_LABEL, value: keyRef }]);
  const ofClass = (wanted: number): readonly Handle[] => objects.filter((object) => classOf(session, object) === wanted);
  const data = ofClass(sdk.CKO_DATA).map((object) => ({ object, of: readAttribute(session, object, sdk.CKA_APPLICATION).toString() }));
  const marks = data.filter(({ of }) => of === application).map(({ object }) => markOf(session, object));
  const clearances = data.filter(({ of }) => of === clearanceApplication).map(({ object }) => object);
  const handle = ofClass(sdk.CKO_SECRET_KEY).find((object) => readAttribute(session, object, sdk.CKA_ID).equals(id));
  const times = marks.flatMap(({ deleteAt }) => (deleteAt === undefined ? [] : [deleteAt.getTime()]));
  const deleteAt = times.length === 0 ? undefined : new Date(Math.min(...times));
  const isDue = deleteAt !== undefined && deleteAt.getTime() <= Date.now();
  if (handle === undefined) requireLogin(session);
  if (handle === undefined || isDue) {
    // The key first: a crash in between leaves marks without a key, never a key without its marks.
    const keys = handle === undefined ? [] : [handle];
    for (const object of [...keys, ...marks.map((mark) => mark.handle), ...clearances]) destroyObject(session, object);
    return undefined;
  }
  const [clearance] = clearances;
  if (marks.length === 0 && clearance !== undefined) rememberKek(session, keyRef, { key: handle, clearance });
  return { handle, deleteAt, state: deleteAt !== undefined ? 'pendingDeletion' : marks.length > 0 ? 'disabled' : 'enabled' };
}

/** Marks a KEK as disabled, in every process that uses the token. */
export function markDisabled(session: Pkcs11Session, keyRef: string): void {
  mark(session, keyRef, disabledMark);
}

/** Marks a KEK to be destroyed by the first call that finds its time over. */
export function markDeletion(session: Pkcs11Session, keyRef: string, deleteAt: Date): void {
  mark(session, keyRef, `${deleteMark}${deleteAt.toISOString()}`);
}

/** Destroys every KEK whose time is over. */
export function sweepKeks(session: Pkcs11Session): void {
  const { sdk } = session;
  const template = [
    { type: sdk.CKA_CLASS, value: sdk.CKO_DATA },
    { type: sdk.CKA_APPLICATION, value: application },
  ];
  for (const object of findObjects(session, template)) {
    const { deleteAt, label } = markOf(session, object);
    if (deleteAt !== undefined && deleteAt.getTime() <= Date.now()) findKek(session, label);
  }
}

/** Whether the token says that it made the key, and that it was never readable outside. */
export function neverLeft({ sdk, library, handle }: Pkcs11Session, kek: Pkcs11Kek): boolean {
  const wanted = [sdk.CKA_LOCAL, sdk.CKA_ALWAYS_SENSITIVE, sdk.CKA_NEVER_EXTRACTABLE];
  const values = library.C_GetAttributeValue(
    handle,
    kek.handle,
    wanted.map((type) => ({ type })),
  );
  return values.every(({ value }) => Buffer.isBuffer(value) && value[0] === 1);
}

interface Mark {
  readonly handle: Handle;
  readonly label: string;
  /** Undefined for every other mark: all of them disable, so that one that can't be read does. */
  readonly deleteAt: Date | undefined;
}

function mark(session: Pkcs11Session, keyRef: string, text: string): void {
  const { sdk, library, handle } = session;
  // Before the mark: from here on every process searches, and finds it or its absence.
  const clearances = findObjects(session, [
    { type: sdk.CKA_CLASS, value: sdk.CKO_DATA },
    { type: sdk.CKA_APPLICATION, value: clearanceApplication },
    { type: sdk.CKA_LABEL, value: keyRef },
  ]);
  for (const object of clearances) destroyObject(session, object);
  library.C_CreateObject(handle, [
    { type: sdk.CKA_CLASS, value: sdk.CKO_DATA },
    { type: sdk.CKA_TOKEN, value: true },
    { type: sdk.CKA_PRIVATE, value: true },
    { type: sdk.CKA_APPLICATION, value: application },
    { type: sdk.CKA_LABEL, value: keyRef },
    { type: sdk.CKA_VALUE, value: Buffer.from(text) },
  ]);
}

function markOf(session: Pkcs11Session, object: Handle): Mark {
  const { sdk } = session;
  const value = readAttribute(session, object, sdk.CKA_VALUE).toString();
  const time = value.startsWith(deleteMark) ? Date.parse(value.slice(deleteMark.length)) : Number.NaN;
  const deleteAt = Number.isNaN(time) ? undefined : new Date(time);
  return { handle: object, label: readAttribute(session, object, sdk.CKA_LABEL).toString(), deleteAt };
}

function idOf(keyRef: string): Buffer | undefined {
  const id = named.exec(keyRef)?.[2];
  return id === undefined ? undefined : Buffer.from(id, 'hex');
}
