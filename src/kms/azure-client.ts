import { createPublicKey, type KeyObject } from 'node:crypto';
import type { CryptographyClient, KeyClient, KeyVaultKey } from '@azure/keyvault-keys';
import { loadSdk } from './remote-sdk.ts';

/** What the SDK takes for a credential: the `TokenCredential` of @azure/core-auth. */
export type AzureCredential = ConstructorParameters<typeof KeyClient>[1];

/** One version of a key: whatever of it never changes, and the client that works with it. */
export interface AzureKeyVersion {
  readonly version: string;
  /** Undefined for a symmetric key. */
  readonly publicKey: KeyObject | undefined;
  readonly cryptography: CryptographyClient;
}

export interface AzureClientOptions {
  readonly vaultUrl: string;
  readonly credential: AzureCredential;
  readonly allowInsecureConnection: boolean;
}

const maxVersions = 1_000;

/** The client of one vault, made when it is first needed: only then the SDK is loaded. */
export class AzureClient {
  readonly #options: AzureClientOptions;
  #opening: Promise<KeyClient> | undefined;
  /** By name and version, the one used longest ago first. */
  readonly #versions = new Map<string, AzureKeyVersion>();

  constructor(options: AzureClientOptions) {
    this.#options = options;
  }

  /** @throws {ConfigurationError} when the SDK is not installed */
  open(): Promise<KeyClient> {
    this.#opening ??= this.#open();
    this.#opening.catch(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** A version that was seen before costs no request: its public key can't change. The vault still decides on every use. */
  async version(name: string, version: string, abortSignal: AbortSignal): Promise<AzureKeyVersion> {
    const known = this.#versions.get(`${name}/${version}`);
    if (known !== undefined) return this.#keep(name, known);
    const client = await this.open();
    return this.#keep(name, versionOf(client, await client.getKey(name, { version, abortSignal })));
  }

  async newest(name: string, abortSignal: AbortSignal): Promise<AzureKeyVersion> {
    const client = await this.open();
    return this.#keep(name, versionOf(client, await client.getKey(name, { abortSignal })));
  }

  close(): void {
    this.#versions.clear();
  }

  #keep(name: string, found: AzureKeyVersion): AzureKeyVersion {
    const key = `${name}/${found.version}`;
    const kept = this.#versions.get(key) ?? found;
    this.#versions.delete(key);
    this.#versions.set(key, kept);
    for (const oldest of this.#versions.keys()) {
      if (this.#versions.size <= maxVersions) break;
      this.#versions.delete(oldest);
    }
    return kept;
  }

  async #open(): Promise<KeyClient> {
    const { vaultUrl, credential, allowInsecureConnection } = this.#options;
    const { KeyClient } = await loadSdk('@azure/keyvault-keys', () => import('@azure/keyvault-keys'));
    return new KeyClient(vaultUrl, credential, {
      // RemoteCalls repeats what may be repeated: retries below it would multiply its attempts and hide throttling from the breaker.
      retryOptions: { maxRetries: 0 },
      ...(allowInsecureConnection ? { allowInsecureConnection, disableChallengeResourceVerification: true } : {}),
    });
  }
}

function versionOf(client: KeyClient, found: KeyVaultKey): AzureKeyVersion {
  const version = found.properties.version ?? '';
  const { n, e } = found.key ?? {};
  const publicKey =
    n === undefined || e === undefined
      ? undefined
      : createPublicKey({ format: 'jwk', key: { kty: 'RSA', n: base64url(n), e: base64url(e) } });
  return { version, publicKey, cryptography: client.getCryptographyClient(found.name, { keyVersion: version }) };
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
