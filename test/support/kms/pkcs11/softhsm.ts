import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { softHsmModule } from '../../../../examples/retail/quickstart/softhsm.ts';
import type { Pkcs11KeyManagerOptions } from '../../../../src/kms/pkcs11.ts';
import type { Handle, Pkcs11Library, Pkcs11Sdk } from '../../../../src/kms/pkcs11-sdk.ts';

/** What the tests use of a library beyond the adapter. */
export interface TestLibrary extends Pkcs11Library {
  C_Finalize(): void;
  C_Logout(session: Handle): void;
  C_CloseAllSessions(slot: Handle): void;
}

/** pkcs11js, or undefined where it could not be built: see test/native. */
export function pkcs11Sdk():
  | (Omit<Pkcs11Sdk, 'PKCS11'> & { readonly PKCS11: { new (): TestLibrary; readonly prototype: TestLibrary } })
  | undefined {
  try {
    return createRequire(import.meta.url)('pkcs11js');
  } catch {
    return undefined;
  }
}

/** SoftHSM's version and library, or undefined where it, or what speaks to it, isn't installed. */
export function softHsm(): { readonly version: string; readonly module: string } | undefined {
  const answer = spawnSync('softhsm2-util', ['--version'], { encoding: 'utf8' });
  const module = softHsmModule();
  return answer.status === 0 && module !== undefined && pkcs11Sdk() !== undefined ? { version: answer.stdout.trim(), module } : undefined;
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
