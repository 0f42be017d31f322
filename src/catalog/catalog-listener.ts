import postgres, { type Options, type PostgresType, type Sql } from 'postgres';

/** The channel on which the catalog's triggers announce changes: a tenant's id, or `*`. */
const channel = 'tenancy_catalog';
/** The channel on which processes that hold keys are told that there is a notice for them. */
const noticeChannel = 'tenancy_keys';

export interface CatalogListenerOptions {
  /** The catalog's URL, reached directly. */
  readonly url: string;
  readonly onChange: (payload: string) => void;
  /** There is a notice for processes that hold keys. */
  readonly onNotice: () => void;
  /** LISTEN holds (again): what was read before may have missed changes. */
  readonly onUp: () => void;
  /** The connection is gone: changes are missed from now on. */
  readonly onDown: () => void;
  /** The first wait before listening again, in milliseconds; it doubles to 5,000. 100 unless told. */
  readonly backoffMs?: number | undefined;
}

const longestBackoffMs = 5_000;

/**
 * Listens to catalog changes on a connection of its own, and again after it was lost. The driver's own `listen` gives up after one
 * failed attempt and says nothing, so each attempt here is a client that is thrown away with its connection.
 */
export class CatalogListener {
  readonly #options: CatalogListenerOptions;
  #client: Sql | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failures = 0;
  #closed = false;

  constructor(options: CatalogListenerOptions) {
    this.#options = Object.freeze({ ...options });
    void this.#connect();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const client = this.#client;
    this.#client = undefined;
    await client?.end({ timeout: 0 });
  }

  async #connect(): Promise<void> {
    const client: Sql = postgres(this.#options.url, {
      max: 1,
      idle_timeout: 0,
      max_lifetime: 0,
      fetch_types: false,
      connect_timeout: 10,
      keep_alive: 10,
      onnotice: () => {},
      onnotify: (from: string, payload: string) => {
        if (this.#client !== client) return;
        if (from === noticeChannel) this.#options.onNotice();
        else this.#options.onChange(payload);
      },
      onclose: () => {
        this.#lost(client);
      },
      connection: { application_name: 'tenancy-catalog-listener' },
    } as Options<Record<string, PostgresType>>);
    this.#client = client;
    try {
      await client.unsafe(`listen ${channel}; listen ${noticeChannel}`);
    } catch {
      this.#lost(client);
      return;
    }
    if (this.#client !== client) return;
    this.#failures = 0;
    this.#options.onUp();
  }

  #lost(client: Sql): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.end({ timeout: 0 }).catch(() => {});
    if (this.#closed) return;
    this.#options.onDown();
    const wait = Math.min((this.#options.backoffMs ?? 100) * 2 ** this.#failures++, longestBackoffMs);
    this.#timer = setTimeout(() => void this.#connect(), wait * (0.5 + Math.random() / 2));
    this.#timer.unref();
  }
}
