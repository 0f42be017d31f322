import type { AzureCredential } from './azure-client.ts';
import type { RemoteCallOptions } from './remote-call-options.ts';

/** Options of `azureKeyManager`. */
export interface AzureKeyManagerOptions extends RemoteCallOptions {
  /** `https://<name>.vault.azure.net`, or `https://<name>.managedhsm.azure.net`. */
  readonly vaultUrl: string;
  /** Any `TokenCredential` of Azure's, such as `DefaultAzureCredential` of @azure/identity. */
  readonly credential: AzureCredential;
  /** The region of the vault, which its URL does not tell; residency is decided by it. */
  readonly region: string;
  /** Whether the URL is that of a Managed HSM; its domain tells unless told. */
  readonly managedHsm?: boolean | undefined;
  /** Tags of new keys, beside `tenancy-tenant` and `tenancy-protection`; no personal data. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** What wrapped keys name this manager by; `azure/<host of the vault>` unless told. */
  readonly provider?: string | undefined;
  /** Whether plain HTTP is taken, and a challenge of another domain: for a server on this machine in tests; false unless told. */
  readonly allowInsecureConnection?: boolean | undefined;
}
