import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyManager } from '@godseye/tenancy';
import { localKeyManager } from '@godseye/tenancy/kms/local';
import { findSoftHsm } from './softhsm.ts';
import { Tokens } from './tokens.ts';

/** Where this run keeps its KEKs: a key file in each region, and for premium retailers a token beside it where SoftHSM is there. */
export class KeyPlaces {
  /** One sentence about premium retailers' KEKs. */
  readonly summary: string;
  readonly #files: ReadonlyMap<string, string>;
  readonly #tokens: Tokens | undefined;

  private constructor(files: ReadonlyMap<string, string>, tokens: Tokens | undefined, summary: string) {
    this.#files = files;
    this.#tokens = tokens;
    this.summary = summary;
  }

  /** @param folders one per region, which are removed whatever becomes of this process. Real keys lie elsewhere. */
  static async make(folders: ReadonlyMap<string, string>, signal: AbortSignal): Promise<KeyPlaces> {
    const files = new Map<string, string>();
    for (const [region, folder] of folders) {
      await mkdir(join(folder, 'keys'), { mode: 0o700 });
      files.set(region, join(folder, 'keys', 'keys.json'));
    }
    const found = await findSoftHsm(signal);
    if ('missing' in found)
      return new KeyPlaces(files, undefined, `premium retailers' KEKs are in the key file, since ${found.missing} (SoftHSM)`);
    const [folder] = folders.values();
    const tokens = await Tokens.make(found, join(folder!, 'keys'), [...folders.keys()], signal);
    return new KeyPlaces(files, tokens, `premium retailers' KEKs are in a PKCS #11 token (SoftHSM ${found.version})`);
  }

  /** Whoever closes a service closes its key managers, so each gets its own. */
  keyManagers(): KeyManager[] {
    const allowSoftwareHsm = this.#tokens === undefined;
    const local = [...this.#files].map(([region, file]) => localKeyManager({ file, region, allowSoftwareHsm }));
    return [...local, ...(this.#tokens?.keyManagers() ?? [])];
  }

  /** The provider that a KEK of a retailer in this region must have. */
  providerFor({ tier, region }: { readonly tier: string; readonly region: string }): string {
    return `${tier === 'premium' && this.#tokens !== undefined ? 'pkcs11' : 'local'}/${region}`;
  }
}
