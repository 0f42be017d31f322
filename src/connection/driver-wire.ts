import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { CancelGate } from './cancel-gate.ts';
import type { BackendKey } from './cancel-request.ts';
import { CopyBuffer } from './copy-buffer.ts';
import type { DriverClient, DriverResult } from './driver-client.ts';
import { isServerError } from './driver-error.ts';
import { sendAsTransaction } from './explicit-unit.ts';
import type { LaneAddress } from './lane-socket.ts';
import type { EncodedParameter } from './parameters.ts';
import { type DriverQuery, guardQuery, ResendRefused } from './query-guard.ts';
import { SocketHold } from './socket-hold.ts';
import type { PreparedUnit, UnitAnswer, Wire, WireCopy, WireOutcome, WireResult } from './wire.ts';

interface Pending {
  readonly query: DriverQuery;
  readonly settle: (outcome: WireOutcome) => void;
  /** Whether the driver may answer with the stream of a COPY. */
  readonly copies: boolean;
}

/** A wire over postgres.js. Also settles what the driver would keep queued for a connection that never comes. */
export class DriverWire implements Wire {
  readonly ended: Promise<void>;
  readonly #client: DriverClient;
  readonly #hold: SocketHold;
  readonly #socket: Socket;
  readonly #pooled: boolean;
  readonly #cancels: CancelGate;
  readonly #pending = new Set<Pending>();
  #key: BackendKey | undefined;
  #lost = false;
  #statements = 0;

  /** @param pooled whether a pooler in transaction mode stands between: nothing is kept prepared */
  constructor(client: DriverClient, socket: Socket, address: LaneAddress, pooled: boolean) {
    this.#client = client;
    this.#socket = socket;
    this.#pooled = pooled;
    this.#hold = new SocketHold(socket);
    this.#cancels = new CancelGate(address, this);
    this.ended = new Promise((resolve) => {
      // Registered before the driver's listeners, so that nothing of ours waits for what the driver makes of the loss.
      socket.once('close', () => {
        this.#lose();
        resolve();
      });
      socket.on('error', () => {});
    });
  }

  get lost(): boolean {
    return this.#lost || this.#socket.destroyed;
  }
  /** The server's key of this session, known once the first message was answered. */
  get key(): BackendKey | undefined {
    return this.#key;
  }
  /** Those that the driver has forgotten included: it never lets go of one. */
  get statements(): number {
    return this.#statements;
  }
  get cancels(): number {
    return this.#cancels.count;
  }
  get cancelling(): Promise<void> | undefined {
    return this.#cancels.underWay;
  }

  control(text: string): Promise<WireOutcome> {
    return this.#send(() => this.#client.unsafe(text, [], { prepare: false, simple: true }).values());
  }

  bound(text: string, params: readonly EncodedParameter[], prepare: boolean): Promise<WireOutcome> {
    const values = params.map((value) => (value === null || typeof value === 'string' ? value : this.#client.typed(value.text, value.oid)));
    return this.#send(() => this.#client.unsafe(text, values, { prepare, simple: false }).values());
  }

  unit(unit: PreparedUnit, settle: (answer: UnitAnswer) => void, onBegan?: () => void): void {
    const { began, answered } = sendAsTransaction(this, unit, { clean: false, pooled: this.#pooled });
    if (onBegan !== undefined) void began.then(onBegan);
    void answered.then(settle);
  }

  copyTo(text: string): WireCopy {
    let source: Readable | undefined;
    const data = new CopyBuffer({ pause: () => source?.pause(), resume: () => source?.resume() });
    const outcome = new Promise<WireOutcome>((resolve) => {
      const send = this.#send(
        () => this.#client.unsafe(text, [], { prepare: false, simple: false }).values(),
        (stream) => {
          source = stream;
          // The driver pauses the socket while the stream is full, and forgets to resume it when the COPY ends meanwhile.
          stream.on('close', () => this.#socket.resume());
          stream.on('error', (error) => {
            data.end();
            resolve(isServerError(error) ? { kind: 'refused', error } : { kind: 'lost', executed: true });
          });
          stream.on('end', () => {
            data.end();
            resolve({ kind: 'answer', result: copied });
          });
          stream.on('data', (chunk: Buffer) => data.push(chunk));
        },
      );
      void send.then((answer) => {
        if (answer.kind === 'answer') return;
        data.end();
        resolve(answer);
      });
    });
    return { data, outcome };
  }

  async cancel(stillWanted: () => boolean): Promise<void> {
    await this.#cancels.cancel(stillWanted);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async close(): Promise<void> {
    const timer = setTimeout(() => this.destroy(), 2_000);
    timer.unref();
    await Promise.race([this.#client.end({ timeout: 1 }), this.ended]);
    await this.ended;
    clearTimeout(timer);
  }

  /**
   * Gives the socket up, logged in and idle, to another owner: the driver hears nothing of it any more and has no reason to write.
   * This wire is lost from then on.
   */
  handOver(): void {
    if (this.#pending.size > 0 || this.lost) throw new Error('A wire that is busy or lost can’t be handed over.');
    this.#lost = true;
    this.#hold.release();
  }

  #send(make: () => DriverQuery, onCopy?: (stream: Readable) => void): Promise<WireOutcome> {
    if (this.lost) return Promise.resolve({ kind: 'lost', executed: false });
    const query = guardQuery(make());
    return new Promise((resolve) => {
      const pending: Pending = { query, settle: resolve, copies: onCopy !== undefined };
      if (onCopy !== undefined) onStream(query, onCopy);
      this.#pending.add(pending);
      // `then` is what hands the query over; the driver does so one microtask later and keeps the order.
      query.then(
        (result) => {
          this.#pending.delete(pending);
          resolve(this.#answer(pending, result));
        },
        (error: unknown) => {
          this.#pending.delete(pending);
          resolve(this.#failure(query, error));
        },
      );
    });
  }

  #answer({ query, copies }: Pending, result: unknown): WireOutcome {
    this.#key ??= query.state ?? undefined;
    if (query.prepare === true && query.prepared === false) this.#statements++;
    if (Array.isArray(result)) return { kind: 'answer', result: resultOf(result as DriverResult) };
    if (copies && result instanceof Readable) return { kind: 'answer', result: copied };
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

/** Hands a COPY's stream over at once: it may fail before its promise could be awaited, and a stream's unheard error ends the process. */
function onStream(query: DriverQuery, take: (stream: Readable) => void): void {
  const resolve = query.resolve;
  query.resolve = (value) => {
    if (value instanceof Readable) take(value);
    resolve(value);
  };
}

/** Several commands in one message answer a list of results, of which the first counts. */
function resultOf(answer: DriverResult): WireResult {
  const result = answer.command === undefined ? (answer[0] as DriverResult) : answer;
  return {
    rows: result.slice() as unknown[][],
    columns: result.columns ?? [],
    command: result.command ?? '',
    count: result.count ?? 0,
  };
}

const copied: WireResult = { rows: [], columns: [], command: 'COPY', count: 0 };
