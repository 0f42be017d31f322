import type { KMSClient, KMSClientConfig } from '@aws-sdk/client-kms';
import type { RemoteCallOptions } from './remote-call-options.ts';

/** Options of `awsKeyManager`. */
export interface AwsKeyManagerOptions extends RemoteCallOptions {
  /** The region in which the keys live; residency is decided by it. A key of another region is `notFound`, and nothing is sent. */
  readonly region: string;
  /** Where the SDK looks for them (environment, profile, role) unless told. */
  readonly credentials?: KMSClientConfig['credentials'] | undefined;
  /** A URL, such as that of a VPC endpoint; AWS's own for the region unless told. */
  readonly endpoint?: string | undefined;
  /** A client of yours for the same region; `close` leaves it open. Give it `maxAttempts: 1`: attempts are counted here. */
  readonly client?: KMSClient | undefined;
  /** The policy document of new keys; AWS's default, which leaves it to IAM, unless told. */
  readonly keyPolicy?: string | undefined;
  /** Tags of new keys, beside `tenancy:tenant`; no personal data, since CloudTrail keeps them. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** The CloudHSM key store in which keys asked for with `protection: 'hsm'` are made; without it those are refused. */
  readonly customKeyStoreId?: string | undefined;
  /** What wrapped keys name this manager by; `aws/<region>` unless told. Give two accounts in one region names of their own. */
  readonly provider?: string | undefined;
}
