import type { v1 } from '@google-cloud/kms';
import { loadSdk } from './remote-sdk.ts';

/** What Google's client takes: credentials, apiEndpoint, `fallback: true` for REST. */
export type GcpClientOptions = NonNullable<ConstructorParameters<typeof v1.KeyManagementServiceClient>[0]>;

/** The client of one key manager, made when it is first needed: only then the SDK is loaded. */
export class GcpClient {
  readonly #options: GcpClientOptions;
  #opening: Promise<v1.KeyManagementServiceClient> | undefined;

  constructor(options: GcpClientOptions = {}) {
    this.#options = options;
  }

  /** @throws {ConfigurationError} when the SDK is not installed */
  open(): Promise<v1.KeyManagementServiceClient> {
    this.#opening ??= this.#open();
    this.#opening.catch(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Ends its connections. */
  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    await opened?.close().catch(() => {});
  }

  async #open(): Promise<v1.KeyManagementServiceClient> {
    const sdk = await loadSdk('@google-cloud/kms', () => import('@google-cloud/kms'));
    return new sdk.v1.KeyManagementServiceClient(this.#options);
  }
}
