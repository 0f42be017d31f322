import type { KMSClient, KMSClientConfig } from '@aws-sdk/client-kms';
import { ConfigurationError } from '../errors.ts';
import { loadSdk } from './remote-sdk.ts';

/** The SDK, as far as it is used: its commands and one client. */
export interface AwsSdk {
  readonly client: KMSClient;
  readonly commands: Pick<
    typeof import('@aws-sdk/client-kms'),
    | 'CreateKeyCommand'
    | 'DecryptCommand'
    | 'DescribeKeyCommand'
    | 'DisableKeyCommand'
    | 'EncryptCommand'
    | 'GenerateDataKeyCommand'
    | 'ReEncryptCommand'
    | 'ScheduleKeyDeletionCommand'
  >;
}

export interface AwsClientOptions {
  readonly region: string;
  readonly credentials?: KMSClientConfig['credentials'] | undefined;
  readonly endpoint?: string | undefined;
  readonly client?: KMSClient | undefined;
}

/** The client of one key manager, made when it is first needed: only then the SDK is loaded. */
export class AwsClient {
  readonly #options: AwsClientOptions;
  #opening: Promise<AwsSdk> | undefined;

  constructor(options: AwsClientOptions) {
    this.#options = options;
  }

  /** @throws {ConfigurationError} when the SDK is not installed, or the client that was given is one of another region */
  open(): Promise<AwsSdk> {
    this.#opening ??= this.#open();
    this.#opening.catch(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Ends the connections of a client of its own. */
  async close(): Promise<void> {
    const opened = await this.#opening?.catch(() => undefined);
    if (this.#options.client === undefined) opened?.client.destroy();
  }

  async #open(): Promise<AwsSdk> {
    const { region, credentials, endpoint, client: given } = this.#options;
    const commands = await loadSdk('@aws-sdk/client-kms', () => import('@aws-sdk/client-kms'));
    if (given !== undefined) {
      const actual = await given.config.region();
      if (actual !== region) throw new ConfigurationError(`The AWS client given for the region ${region} is one of ${actual}.`);
      return { client: given, commands };
    }
    const client = new commands.KMSClient({
      region,
      // RemoteCalls repeats what may be repeated: retries below it would multiply its attempts and hide throttling from the breaker.
      maxAttempts: 1,
      ...(credentials === undefined ? {} : { credentials }),
      ...(endpoint === undefined ? {} : { endpoint }),
    });
    return { client, commands };
  }
}
