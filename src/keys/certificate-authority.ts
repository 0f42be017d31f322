import type { CertificateKeyStore } from '../catalog/certificate-key-store.ts';
import type { KeyStore } from '../catalog/key-store.ts';
import { CatalogError } from '../errors.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import { documentIsSigned, signDocument, signingKeyOf } from './certificate.ts';
import { certificateContext } from './key-context.ts';

/** A document with what proves who made it. */
export type Signed<T extends object> = T & {
  /** Which of the platform's certificate keys signed it. */
  readonly keyId: string;
  /** Ed25519, base64. */
  readonly signature: string;
};

/** Signs the platform's certificates with a key that the platform KEK wraps; its public half stays in the catalog. */
export class CertificateAuthority {
  readonly #store: CertificateKeyStore;
  readonly #keks: KeyStore;
  readonly #managers: KeyManagers;

  constructor(parts: { readonly store: CertificateKeyStore; readonly keks: KeyStore; readonly managers: KeyManagers }) {
    this.#store = parts.store;
    this.#keks = parts.keks;
    this.#managers = parts.managers;
  }

  /**
   * @throws {CatalogError} when the platform has no key yet
   * @throws {KeyManagerError} when the platform's key manager is away or refuses
   */
  async sign<T extends object>(document: T): Promise<Signed<T>> {
    const known = (await this.#store.newest()) ?? (await this.#make());
    const { privateKey } = signingKeyOf(await this.#managers.for(known.wrapped.provider).unwrap(known.wrapped, certificateContext));
    const named = { ...document, keyId: known.keyId };
    return { ...named, signature: signDocument(privateKey, named) };
  }

  /**
   * Whether a document is one that this platform signed. The public key in the catalog alone would prove little to somebody who can write
   * there: it must be that of the key which the platform KEK wraps.
   *
   * @throws {KeyManagerError} when the platform's key manager is away or refuses
   */
  async isSigned({ signature, ...document }: Signed<object>): Promise<boolean> {
    const known = await this.#store.find(document.keyId);
    if (known === undefined) return false;
    const { publicKey } = signingKeyOf(await this.#managers.for(known.wrapped.provider).unwrap(known.wrapped, certificateContext));
    return publicKey.equals(known.publicKey) && documentIsSigned(publicKey, document, signature);
  }

  async #make() {
    const kek = (await this.#keks.platformKeks()).find(({ provider }) => this.#managers.has(provider));
    if (kek === undefined) throw new CatalogError('The platform has no key yet.', { hint: 'Run `tenancy init` first.' });
    const { key, wrapped } = await this.#managers.for(kek.provider).generateDataKey(kek.keyRef, certificateContext);
    await this.#store.insertFirst(wrapped, signingKeyOf(key).publicKey);
    return (await this.#store.newest())!;
  }
}
