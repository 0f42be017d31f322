/*
 * The part of pkcs11js that is used, written down here: the package is native and may be missing where this library is built, so that
 * its own types can't be relied on.
 */

/** A CK_ULONG as the machine lays it out. */
export type Handle = Buffer;

export interface Attribute {
  readonly type: number;
  readonly value?: string | number | boolean | Buffer;
}

export interface Mechanism {
  readonly mechanism: number;
  readonly parameter?: object;
}

/** A loaded library; methods throw errors whose message begins with the name of the return value. */
export interface Pkcs11Library {
  load(path: string): void;
  C_Initialize(options: { readonly flags: number }): void;
  C_GetSlotList(tokenPresent: boolean): Handle[];
  C_GetSlotInfo(slot: Handle): { readonly flags: number };
  C_GetTokenInfo(slot: Handle): { readonly label: string; readonly manufacturerID: string };
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseSession(session: Handle): void;
  C_GetSessionInfo(session: Handle): { readonly slotID: Handle; readonly state: number };
  C_Login(session: Handle, user: number, pin: string): void;
  C_GenerateKey(session: Handle, mechanism: Mechanism, template: readonly Attribute[]): Handle;
  C_GenerateRandom(session: Handle, room: Buffer): Buffer;
  C_CreateObject(session: Handle, template: readonly Attribute[]): Handle;
  C_DestroyObject(session: Handle, object: Handle): void;
  C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void;
  C_FindObjects(session: Handle, most: number): Handle[];
  C_FindObjectsFinal(session: Handle): void;
  C_GetAttributeValue(session: Handle, object: Handle, template: readonly Attribute[]): Attribute[];
  C_EncryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_Encrypt(session: Handle, plaintext: Buffer, room: Buffer): Buffer;
  C_DecryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_Decrypt(session: Handle, ciphertext: Buffer, room: Buffer): Buffer;
}

type Constant =
  | `CKA_${'ALWAYS_SENSITIVE' | 'APPLICATION' | 'CLASS' | 'DECRYPT' | 'DERIVE' | 'ENCRYPT' | 'EXTRACTABLE' | 'ID' | 'KEY_TYPE' | 'LABEL' | 'LOCAL'}`
  | `CKA_${'NEVER_EXTRACTABLE' | 'PRIVATE' | 'SENSITIVE' | 'SIGN' | 'TOKEN' | 'UNWRAP' | 'VALUE' | 'VALUE_LEN' | 'VERIFY' | 'WRAP'}`
  | `CKF_${'OS_LOCKING_OK' | 'RW_SESSION' | 'SERIAL_SESSION'}`
  | 'CKK_AES'
  | `CKM_${'AES_GCM' | 'AES_KEY_GEN'}`
  | `CKO_${'DATA' | 'SECRET_KEY'}`
  | 'CKU_USER'
  | 'CK_PARAMS_AES_GCM_v240';

/** The package: its class and PKCS #11's numbers. */
export interface Pkcs11Sdk extends Readonly<Record<Constant, number>> {
  readonly PKCS11: new () => Pkcs11Library;
}
