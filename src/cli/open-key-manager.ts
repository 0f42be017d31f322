import type { KeyManager } from '../kms/key-manager.ts';
import { loadSdk } from '../kms/remote-sdk.ts';
import type { KeyManagerConfig } from './key-manager-config.ts';

/** The part of @azure/identity that is used: the package is an optional peer, and may be missing where this library is built. */
interface AzureIdentity {
  readonly DefaultAzureCredential: new () => import('../kms/azure-client.ts').AzureCredential;
}

/** Not written where it is imported: the compiler would look for it. */
const azureIdentity: string = '@azure/identity';

/**
 * Opens the key manager that an entry of `kms` describes. Only its adapter is loaded, and its SDK when a key is first needed.
 *
 * @param load imports a package by its name
 * @throws {ConfigurationError} when its options can't be used, or @azure/identity is needed and not installed
 */
export async function openKeyManager(
  kms: KeyManagerConfig,
  load: (name: string) => Promise<unknown> = (name) => import(name),
): Promise<KeyManager> {
  switch (kms.provider) {
    case 'local': {
      const { provider: _, name: provider, ...options } = kms;
      return (await import('../kms/local.ts')).localKeyManager({ ...options, provider });
    }
    case 'aws': {
      const { provider: _, name: provider, ...options } = kms;
      return (await import('../kms/aws.ts')).awsKeyManager({ ...options, provider });
    }
    case 'gcp': {
      const { provider: _, name: provider, credentialsFile, apiEndpoint, rest, ...options } = kms;
      const clientOptions = {
        ...(credentialsFile === undefined ? {} : { keyFilename: credentialsFile }),
        ...(apiEndpoint === undefined ? {} : { apiEndpoint }),
        ...(rest === undefined ? {} : { fallback: rest }),
      };
      return (await import('../kms/gcp.ts')).gcpKeyManager({ ...options, provider, clientOptions });
    }
    case 'azure': {
      const { provider: _, name: provider, ...options } = kms;
      const { DefaultAzureCredential } = (await loadSdk(azureIdentity, () => load(azureIdentity))) as AzureIdentity;
      return (await import('../kms/azure.ts')).azureKeyManager({ ...options, provider, credential: new DefaultAzureCredential() });
    }
    case 'pkcs11': {
      const { provider: _, name: provider, ...options } = kms;
      return (await import('../kms/pkcs11.ts')).pkcs11KeyManager({ ...options, provider });
    }
  }
}
