import { makeKek } from '../../../../src/kms/pkcs11-keks.ts';
import { classOf, destroyObject, findObjects } from '../../../../src/kms/pkcs11-objects.ts';
import { type Pkcs11Session, Pkcs11Token, type Pkcs11TokenOptions } from '../../../../src/kms/pkcs11-token.ts';

/** Does some work in a session of its own. */
export async function inSession<T>(options: Pkcs11TokenOptions, work: (session: Pkcs11Session) => T): Promise<T> {
  const token = new Pkcs11Token(options);
  try {
    await token.load();
    return token.run('meddle', work);
  } finally {
    token.close();
  }
}

/** What whoever has the PIN can do to a KEK, with any program: destroy the key alone, or make another of the same name and id. */
export async function meddleWithKek(options: Pkcs11TokenOptions, keyRef: string, how: 'destroy' | 'make'): Promise<void> {
  await inSession(options, (session) => {
    if (how === 'make') makeKek(session, keyRef);
    else {
      for (const object of findObjects(session, [{ type: session.sdk.CKA_LABEL, value: keyRef }]))
        if (classOf(session, object) === session.sdk.CKO_SECRET_KEY) destroyObject(session, object);
    }
  });
}
