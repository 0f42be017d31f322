import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Pkcs11KeyManager, pkcs11KeyManager } from '@godseye/tenancy/kms/pkcs11';
import type { SoftHsm } from './softhsm.ts';

/** A token of SoftHSM for each region, in a folder of this run: where premium retailers' KEKs are. */
export class Tokens {
  readonly #module: string;
  readonly #regions: readonly string[];
  readonly #pin: string;

  private constructor(module: string, regions: readonly string[], pin: string) {
    this.#module = module;
    this.#regions = regions;
    this.#pin = pin;
  }

  /**
   * Makes them, before anything of this process loads the library: it reads its settings and lists its slots once.
   *
   * @param folder whoever removes it removes the tokens with it
   */
  static async make({ module }: SoftHsm, folder: string, regions: readonly string[], signal: AbortSignal): Promise<Tokens> {
    const settings = join(folder, 'softhsm2.conf');
    await mkdir(join(folder, 'tokens'), { mode: 0o700, recursive: true });
    await writeFile(settings, `directories.tokendir = ${join(folder, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`);
    process.env['SOFTHSM2_CONF'] = settings;
    // On the command line others may see them for a moment, but not reach the tokens.
    const pin = randomPin();
    for (const region of regions) {
      const secrets = ['--pin', pin, '--so-pin', randomPin()];
      await promisify(execFile)('softhsm2-util', ['--init-token', '--free', '--label', labelOf(region), ...secrets], { signal });
    }
    return new Tokens(module, regions, pin);
  }

  /** A key manager for each token, which the caller closes. */
  keyManagers(): Pkcs11KeyManager[] {
    return this.#regions.map((region) =>
      // A program is no HSM: this one stands in for it.
      pkcs11KeyManager({ module: this.#module, tokenLabel: labelOf(region), pin: this.#pin, region, softwareTokenAsHsm: true }),
    );
  }
}

function labelOf(region: string): string {
  return `retail-${region}`;
}

function randomPin(): string {
  return Array.from({ length: 12 }, () => randomInt(10)).join('');
}
