import { ConfigurationError } from '../errors.ts';
import { keyFailure } from './key-failure.ts';
import type { KeyContext } from './key-manager.ts';

const idPattern = /^[a-zA-Z0-9_-]{1,63}$/;

/** A key ring and the names of its keys. */
export class GcpKeyRing {
  /** Its resource name. */
  readonly name: string;
  readonly #prefix: string;

  /** @throws {ConfigurationError} when project, location or keyRing is no id */
  constructor({ project, location, keyRing }: { readonly project: string; readonly location: string; readonly keyRing: string }) {
    for (const [name, value] of Object.entries({ project, location, keyRing })) {
      // A project of an organisation with a domain has colons and dots.
      if (typeof value !== 'string' || !(name === 'project' ? /^[a-z0-9.:-]+$/ : idPattern).test(value))
        throw new ConfigurationError(`gcpKeyManager needs a ${name} that is an id.`);
    }
    this.name = `projects/${project}/locations/${location}/keyRings/${keyRing}`;
    this.#prefix = `${this.name}/cryptoKeys/`;
  }

  /** The resource name of one of its keys. */
  keyRef(id: string): string {
    return this.#prefix + id;
  }

  /** @throws {KeyManagerError} `notFound` for a name outside the ring: a key there may lie in another region */
  requireOwn(keyRef: string, context?: KeyContext): void {
    if (keyRef.startsWith(this.#prefix) && idPattern.test(keyRef.slice(this.#prefix.length))) return;
    throw keyFailure('notFound', keyRef, `is not in ${this.name}`, context);
  }
}
