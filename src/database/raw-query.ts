import { entityKind, QueryPromise, type SQL } from 'drizzle-orm';
import { type CopyToOptions, copyText } from './copy-options.ts';
import { checkBatchSize } from './raw-cursor.ts';
import type { TenantRows } from './tenant-rows.ts';

/** What raw statements run on: the session that they were made in. */
export interface RawRunner {
  run<T>(query: SQL, signal?: AbortSignal): Promise<TenantRows<T>>;
  cursor<T>(query: SQL, size: number, signal?: AbortSignal): AsyncGenerator<TenantRows<T>, void, void>;
  copyTo(query: SQL, options: CopyToOptions): AsyncGenerator<Uint8Array, void, void>;
}

/**
 * A raw statement of one tenant's scope, as `tenancy.sql` makes it. It runs when it is awaited, each time anew, and may be put into
 * another raw statement, where it is a fragment. Large results are read with {@link RawQuery.stream}, {@link RawQuery.cursor} or
 * {@link RawQuery.copyTo}: these hold a lane until they have ended, run in the transaction that the code is in or in one of their own, and
 * end with the loop that reads them. The scope is checked again for every batch.
 *
 * @example
 * ```ts
 * const few = tenancy.sql`stock < ${5}`;
 * const rows = await tenancy.sql`select sku from products where ${few}`;
 * ```
 */
export class RawQuery<T = Record<string, unknown>> extends QueryPromise<TenantRows<T>> {
  static override readonly [entityKind]: string = 'TenancyRawQuery';
  readonly #query: SQL;
  readonly #runner: RawRunner;
  readonly #signal: AbortSignal | undefined;

  constructor(query: SQL, runner: RawRunner, signal?: AbortSignal) {
    super();
    this.#query = query;
    this.#runner = runner;
    this.#signal = signal;
  }

  /**
   * The same statement with a signal: when it fires, the statement is cancelled on the server and rejects with {@link AbortedError}. In a
   * transaction that one has then failed.
   *
   * @example
   * ```ts
   * const rows = await tenancy.sql`select sku from products`.signal(AbortSignal.timeout(500));
   * ```
   */
  signal(signal: AbortSignal): RawQuery<T> {
    return new RawQuery<T>(this.#query, this.#runner, signal);
  }

  /** Runs it; what `await` calls. */
  override async execute(options?: { readonly signal?: AbortSignal | undefined }): Promise<TenantRows<T>> {
    return this.#runner.run<T>(this.#query, options?.signal ?? this.#signal);
  }

  /**
   * Reads the rows by a cursor of the server, a batch at a time; the next batch is fetched when it is asked for. Only what can stand in
   * DECLARE … CURSOR: `select`, `values`, `table`, and `with` that writes nothing.
   *
   * @param size rows in a batch, from 1 to 1,000,000; 100 unless told
   * @throws {ConfigurationError} at once, for another size
   * @throws {AbortedError} {@link LaneLostError} {@link WrongTenantError} and the rest of what a statement throws, while it is read
   * @example
   * ```ts
   * for await (const batch of tenancy.sql<{ sku: string }>`select sku from products`.cursor(500)) console.log(batch.length);
   * ```
   */
  cursor(size = 100): AsyncIterable<TenantRows<T>> {
    checkBatchSize(size);
    return this.#runner.cursor<T>(this.#query, size, this.#signal);
  }

  /**
   * Reads the rows one by one, over {@link RawQuery.cursor}.
   *
   * @param size rows that are fetched at a time; 100 unless told
   * @example
   * ```ts
   * for await (const { sku } of tenancy.sql<{ sku: string }>`select sku from products`.stream()) console.log(sku);
   * ```
   */
  stream(size = 100): AsyncIterable<T> {
    return rowsOf(this.cursor(size));
  }

  /**
   * Reads the rows as PostgreSQL's COPY TO writes them: bytes of CSV, text or its binary format, in chunks that need not end with a row. COPY
   * takes no parameters: values are written into the command as literals, quoted; encrypted values and tenant ids can't be among them.
   * While it is read, its transaction takes no other statement. There is no COPY FROM: PostgreSQL refuses it under row-level security.
   *
   * @throws {ConfigurationError} {@link NotSupportedError} at once, for an option or a value that can't be
   * @throws {AbortedError} {@link LaneLostError} {@link WrongTenantError} and the rest of what a statement throws, while it is read
   * @example
   * ```ts
   * const csv = tenancy.sql`select sku, stock from products where stock < ${5}`.copyTo({ format: 'csv', header: true });
   * for await (const chunk of csv) response.write(chunk);
   * ```
   */
  copyTo(options: CopyToOptions = {}): AsyncIterable<Uint8Array> {
    copyText('', options);
    return this.#runner.copyTo(this.#query, { ...options, signal: options.signal ?? this.#signal });
  }

  /** As a fragment it brings its text and values, and not its tenant: the statement around it decides whose it is. */
  getSQL(): SQL {
    return this.#query;
  }

  /** Tells drizzle to put it in without parentheses. */
  shouldOmitSQLParens(): boolean {
    return true;
  }
}

async function* rowsOf<T>(batches: AsyncIterable<TenantRows<T>>): AsyncGenerator<T, void, void> {
  for await (const batch of batches) yield* batch;
}
