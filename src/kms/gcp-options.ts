import type { GcpClientOptions } from './gcp-client.ts';
import type { RemoteCallOptions } from './remote-call-options.ts';

/** Options of `gcpKeyManager`. */
export interface GcpKeyManagerOptions extends RemoteCallOptions {
  /** The project's id. */
  readonly project: string;
  /** The location of the key ring, such as `europe-west3`: the region of its keys, by which residency is decided. */
  readonly location: string;
  /** The key ring's id; it must exist. A key of another ring is `notFound`, and nothing is sent. */
  readonly keyRing: string;
  /** Given to Google's client: `credentials`, `apiEndpoint`, `fallback: true` for REST instead of gRPC. Its retries are not used. */
  readonly clientOptions?: GcpClientOptions | undefined;
  /** For how many days a version of a new key can be restored after `scheduleDeletion`, 1 to 120; 30 unless told. */
  readonly destroyDays?: number | undefined;
  /** Labels of new keys, beside `tenancy-tenant`; no personal data, since they are not encrypted. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** What wrapped keys name this manager by; `gcp/<location>` unless told. Give two rings in one location names of their own. */
  readonly provider?: string | undefined;
}
