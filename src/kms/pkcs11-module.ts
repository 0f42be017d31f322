import { ConfigurationError } from '../errors.ts';
import type { Pkcs11Library, Pkcs11Sdk } from './pkcs11-sdk.ts';
import { loadSdk } from './remote-sdk.ts';

/** Not written where it is imported: the compiler would look for it. */
const packageName: string = 'pkcs11js';

/** A PKCS #11 library and the package that speaks to it. */
export interface Pkcs11Module {
  readonly sdk: Pkcs11Sdk;
  readonly library: Pkcs11Library;
}

/**
 * Loads a PKCS #11 library. A process has one of each, whatever loads it; it is never finalised here, since others in the process, of
 * other threads too, may be using it.
 *
 * @throws {ConfigurationError} when pkcs11js is not installed or not built, or the library can't be loaded
 */
export async function openPkcs11Module(path: string): Promise<Pkcs11Module> {
  const sdk = await loadPackage();
  const library = new sdk.PKCS11();
  try {
    library.load(path);
  } catch {
    throw new ConfigurationError(`The PKCS #11 module ${path} can't be loaded.`, {
      hint: 'Give the path of a library (.so, .dylib, .dll) of this machine’s architecture that offers C_GetFunctionList.',
    });
  }
  return { sdk, library };
}

async function loadPackage(): Promise<Pkcs11Sdk> {
  try {
    const loaded = await loadSdk(packageName, () => import(packageName) as Promise<unknown>);
    // A CommonJS module: not all of its names are seen from outside.
    return (loaded as { readonly default: Pkcs11Sdk }).default;
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    throw new ConfigurationError('The package pkcs11js is installed but its native part was not built, and this key manager needs it.', {
      hint: 'Install a C++ compiler, make and Python, allow its install script, and run: npm rebuild pkcs11js',
    });
  }
}
