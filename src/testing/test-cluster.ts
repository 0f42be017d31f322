/** A running PostgreSQL server of one's own, however it was started. */
export interface TestCluster extends AsyncDisposable {
  /** The superuser's URL, with a random password. */
  readonly adminUrl: string;
  /** The host of `adminUrl`. */
  readonly host: string;
  /** The TCP port of `adminUrl`. */
  readonly port: number;
  /** The server's version, such as `18.4`. */
  readonly version: string;
  /** Stops the server and removes its files; done when nothing of it is left. Safe to call twice. */
  close(): Promise<void>;
}
