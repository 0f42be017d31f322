import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pkcs11KeyManagerOptions } from '../../../../src/kms/pkcs11.ts';

const places = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
];

/** SoftHSM's version and library, or undefined where it isn't installed. */
export function softHsm(): { readonly version: string; readonly module: string } | undefined {
  const answer = spawnSync('softhsm2-util', ['--version'], { encoding: 'utf8' });
  const module = places.find((path) => existsSync(path));
  return answer.status === 0 && module !== undefined ? { version: answer.stdout.trim(), module } : undefined;
}

/** Tokens in a folder of their own. The library reads its settings once per process, so a test file makes one. */
export class SoftHsmTokens implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'tenancy-softhsm-'));
  readonly #before = process.env['SOFTHSM2_CONF'];

  constructor() {
    mkdirSync(join(this.folder, 'tokens'), { mode: 0o700 });
    writeFileSync(
      this.settings,
      [`directories.tokendir = ${join(this.folder, 'tokens')}`, 'objectstore.backend = file', 'log.level = ERROR'].join('\n'),
    );
    process.env['SOFTHSM2_CONF'] = this.settings;
  }

  get settings(): string {
    return join(this.folder, 'softhsm2.conf');
  }

  /** Makes a token, before the library is first used in this process: SoftHSM lists its slots once. */
  make(tokenLabel: string): Pkcs11KeyManagerOptions {
    const pin = '271828';
    execFileSync('softhsm2-util', ['--init-token', '--free', '--label', tokenLabel, '--pin', pin, '--so-pin', '314159'], {
      stdio: 'ignore',
      env: { ...process.env, SOFTHSM2_CONF: this.settings },
    });
    return { module: softHsm()!.module, tokenLabel, pin, region: 'eu-central-1' };
  }

  [Symbol.dispose](): void {
    if (this.#before === undefined) delete process.env['SOFTHSM2_CONF'];
    else process.env['SOFTHSM2_CONF'] = this.#before;
    rmSync(this.folder, { recursive: true, force: true });
  }
}
