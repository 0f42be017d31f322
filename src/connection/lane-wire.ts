import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { type BackendKey, sendCancelRequest } from './cancel-request.ts';
import { CopyOut } from './copy-out.ts';
import type { DriverClient, DriverResult } from './driver-client.ts';
import { isServerError, type ServerError } from './driver-error.ts';
import type { LaneAddress } from './lane-socket.ts';
import type { EncodedParameter } from './parameters.ts';
import { type DriverQuery, guardQuery, ResendRefused } from './query-guard.ts';

/** What became of one message. A value rather than an exception: units look at all of theirs before they decide. */
export type WireOutcome =
  | { readonly kind: 'answer'; readonly result: DriverResult }
  /** A COPY that was asked for has begun; the connection is its until it has ended. */
  | { readonly kind: 'copy'; readonly copy: CopyOut }
  | { readonly kind: 'refused'; readonly error: ServerError }
  /** The plan was invalidated; the driver was kept from sending it again. */
  | { readonly kind: 'plan' }
  /** The connection died; `executed` says whether the message may have been written before. */
  | { readonly kind: 'lost'; readonly executed: boolean };

interface Pending {
  readonly query: DriverQuery;
  readonly settle: (outcome: WireOutcome) => void;
}

/**
 * Messages over one connection, in the order in which they were given, until it dies. Every message is settled exactly once, also those
 * that the driver would keep queued for a connection that never comes.
 */
export class LaneWire {
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;
  readonly #client: DriverClient;
  readonly #socket: Socket;
  readonly #address: LaneAddress;
  readonly #pending = new Set<Pending>();
  #key: BackendKey | undefined;
  #lost = false;
  #cancels = 0;
  #cancelling: Promise<void> | undefined;
  #statements = 0;

  constructor(client: DriverClient, socket: Socket, address: LaneAddress) {
    this.#client = client;
    this.#socket = socket;
    this.#address = address;
    this.ended = new Promise((resolve) => {
      // Registered before the driver's listeners, so that nothing of ours waits for what the driver makes of the loss.
      socket.once('close', () => {
        this.#lose();
        resolve();
      });
      socket.on('error', () => {});
    });
  }

  /** Also from the moment on in which it was given up: what is sent then is surely not sent. */
  get lost(): boolean {
    return this.#lost || this.#socket.destroyed;
  }
  /** The server's key of this session, known once the first message was answered. */
  get key(): BackendKey | undefined {
    return this.#key;
  }
  /** How many statements the server keeps prepared for this lane, those that the driver has forgotten included. */
  get statements(): number {
    return this.#statements;
  }
  /** How many cancel requests were made so far: a unit that saw the number change may have been hit by another's. */
  get cancels(): number {
    return this.#cancels;
  }
  /** Pending while a cancel request is under way; nothing new may be sent before, or it could be hit instead. */
  get cancelling(): Promise<void> | undefined {
    return this.#cancelling;
  }

  /** Sends text of the lane's own, in the simple protocol: it may hold several commands and takes no values. */
  control(text: string): Promise<WireOutcome> {
    return this.#send(() => this.#client.unsafe(text, [], { prepare: false, simple: true }));
  }

  /** Sends one statement with its values apart, in the extended protocol, which refuses a second command in its text. */
  bound(text: string, params: readonly EncodedParameter[], prepare: boolean): Promise<WireOutcome> {
    const values = params.map((value) => (value === null || typeof value === 'string' ? value : this.#client.typed(value.text, value.oid)));
    return this.#send(() => this.#client.unsafe(text, values, { prepare, simple: false }).values());
  }

  /** Sends one COPY … TO STDOUT. */
  copy(text: string): Promise<WireOutcome> {
    let copy: CopyOut | undefined;
    const make = (): DriverQuery => {
      const query = this.#client.unsafe(text, [], { prepare: false, simple: false });
      const { resolve } = query;
      // An error in the same packet destroys the stream before a promise could hand it over: who listens later misses it.
      query.resolve = (result) => {
        if (result instanceof Readable) copy = this.#copyOut(result);
        resolve(result);
      };
      return query;
    };
    return this.#send(make, () => copy);
  }

  /**
   * Asks the server to cancel what it is running for this lane; does nothing when `stillWanted` says no at the last moment, or when the
   * request can't be made: the statement then takes its time.
   */
  async cancel(stillWanted: () => boolean): Promise<void> {
    while (this.#cancelling !== undefined) await this.#cancelling;
    if (this.#key === undefined || this.#lost || !stillWanted()) return;
    const request = sendCancelRequest(this.#address, this.#key, () => {
      if (this.#lost || !stillWanted()) return false;
      this.#cancels++;
      return true;
    })
      .catch(() => {})
      .finally(() => {
        this.#cancelling = undefined;
      });
    this.#cancelling = request;
    await request;
  }

  /** Ends the connection at once; whatever is under way is lost. */
  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends the session in good order. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.destroy(), 2_000);
    timer.unref();
    await Promise.race([this.#client.end({ timeout: 1 }), this.ended]);
    await this.ended;
    clearTimeout(timer);
  }

  #send(make: () => DriverQuery, copyOf?: () => CopyOut | undefined): Promise<WireOutcome> {
    if (this.lost) return Promise.resolve({ kind: 'lost', executed: false });
    const query = guardQuery(make());
    return new Promise((resolve) => {
      const pending: Pending = { query, settle: resolve };
      this.#pending.add(pending);
      // `then` is what hands the query over; the driver does so one microtask later and keeps the order.
      query.then(
        (result) => {
          this.#pending.delete(pending);
          const copy = copyOf?.();
          resolve(copy === undefined ? this.#answer(query, result) : { kind: 'copy', copy });
        },
        (error: unknown) => {
          this.#pending.delete(pending);
          resolve(this.#failure(query, error));
        },
      );
    });
  }

  #copyOut(stream: Readable): CopyOut {
    // The driver may not notice a connection that ends while it is paused.
    void this.ended.then(() => stream.destroy(new Error('The connection ended.')));
    const copy = new CopyOut(stream);
    // The driver pauses the socket when the stream is full, and forgets it when the COPY ends in the same packet.
    void copy.ended.then(() => this.#socket.resume());
    return copy;
  }

  #answer(query: DriverQuery, result: unknown): WireOutcome {
    this.#key ??= query.state ?? undefined;
    if (query.prepare === true && query.prepared === false) this.#statements++;
    if (Array.isArray(result)) return { kind: 'answer', result: result as DriverResult };
    // A COPY stream: it would hold the connection for as long as nobody reads it.
    this.destroy();
    return { kind: 'lost', executed: true };
  }

  #failure(query: DriverQuery, error: unknown): WireOutcome {
    if (error instanceof ResendRefused) return { kind: 'plan' };
    // A fatal error before anything could be sent is the server's answer to the login; afterwards it is the connection's end.
    const fatal = isServerError(error) && (error.severity === 'FATAL' || error.severity === 'PANIC');
    if (isServerError(error) && (!fatal || query.state === null)) {
      // Text that parsed but failed later is kept prepared all the same.
      if (query.prepare === true && query.prepared === false) this.#statements++;
      return { kind: 'refused', error };
    }
    // The socket's errors and whatever else the driver stumbles over: what it answers afterwards can't be relied on.
    this.destroy();
    return { kind: 'lost', executed: query.state !== null };
  }

  #lose(): void {
    this.#lost = true;
    for (const { query, settle } of this.#pending) settle({ kind: 'lost', executed: query.state !== null });
    this.#pending.clear();
    // Rejects what the driver still has queued; its own reconnecting is refused by the socket factory.
    void this.#client.end({ timeout: 0 }).catch(() => {});
  }
}
