import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

/** A PKCS #11 token without a device, as it is installed on this machine. */
export interface SoftHsm {
  readonly version: string;
  /** The path of its library. */
  readonly module: string;
}

const modules = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/lib64/pkcs11/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
  '/opt/homebrew/lib/softhsm/libsofthsm2.so',
];

/** The path of SoftHSM's library, wherever packages put it. */
export function softHsmModule(): string | undefined {
  return modules.find((path) => existsSync(path));
}

/** SoftHSM2 and what speaks to it, or what of it is missing. */
export async function findSoftHsm(signal: AbortSignal): Promise<SoftHsm | { readonly missing: string }> {
  let version: string;
  try {
    version = (await promisify(execFile)('softhsm2-util', ['--version'], { signal, encoding: 'utf8' })).stdout.trim();
  } catch {
    signal.throwIfAborted();
    return { missing: 'softhsm2-util is not on the PATH' };
  }
  const module = softHsmModule();
  if (module === undefined) return { missing: 'its library libsofthsm2.so was not found' };
  try {
    createRequire(import.meta.url)('pkcs11js');
  } catch {
    return { missing: 'the package pkcs11js is not installed, or could not be compiled' };
  }
  return { version, module };
}
