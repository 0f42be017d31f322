import type { Socket } from 'node:net';
import { CancelGate } from './cancel-gate.ts';
import type { BackendKey } from './cancel-request.ts';
import { CopyBuffer } from './copy-buffer.ts';
import type { FrameHandler, FrameReader } from './frame-reader.ts';
import type { LaneAddress } from './lane-socket.ts';
import { MessageEncoder, terminate } from './message-encoder.ts';
import type { EncodedParameter } from './parameters.ts';
import { PreparedStatements } from './prepared-statements.ts';
import { RowDecoder } from './row-decoder.ts';
import { readError, readTag } from './server-message.ts';
import type { PreparedUnit, ServerError, UnitAnswer, Wire, WireCopy, WireOutcome } from './wire.ts';
import { WireTask } from './wire-task.ts';

const letter = (character: string): number => character.charCodeAt(0);
const dataRow = letter('D');
const commandComplete = letter('C');
const readyForQuery = letter('Z');
const bindComplete = letter('2');
const parseComplete = letter('1');
const rowDescription = letter('T');
const noData = letter('n');
const parameterDescription = letter('t');
const errorResponse = letter('E');
const emptyQueryResponse = letter('I');
const closeComplete = letter('3');
const copyOutResponse = letter('H');
const copyData = letter('d');
const copyDone = letter('c');
const noticeResponse = letter('N');
const parameterStatus = letter('S');
const notificationResponse = letter('A');
/** ReadyForQuery's word for "in no transaction". */
const idle = letter('I');

/** So much is encoded at most before it is handed to the socket; what is left waits as it was given. */
const batchLength = 256 * 1024;
const closeTimeoutMs = 2_000;

export interface ProtocolWireOptions {
  /** Logged in, idle, and listened to by nobody but `reader`. */
  readonly socket: Socket;
  readonly reader: FrameReader;
  readonly address: LaneAddress;
  readonly key: BackendKey;
  /** How many statements are kept prepared. */
  readonly maxStatements: number;
}

/**
 * A wire that speaks the protocol itself. A unit is one write and one implicit transaction: the context and the statement are bound and
 * executed ahead of one Sync, at which PostgreSQL commits both or neither. Nothing is ever sent twice.
 */
export class ProtocolWire implements Wire, FrameHandler {
  readonly ended: Promise<void>;
  readonly statements = 0;
  readonly key: BackendKey;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #cancels: CancelGate;
  readonly #statements: PreparedStatements;
  readonly #encoder: MessageEncoder;
  /** Tasks in their order: the one being answered, those written behind it, and from `#unwritten` on those that wait. */
  #head: WireTask | undefined;
  #tail: WireTask | undefined;
  #unwritten: WireTask | undefined;
  #given = 0;
  #written = 0;
  #flushing = false;
  /** The socket takes no more before it has drained. */
  #full = false;
  #lost = false;

  constructor({ socket, reader, address, key, maxStatements }: ProtocolWireOptions) {
    this.#socket = socket;
    this.#reader = reader;
    this.key = key;
    this.#cancels = new CancelGate(address, this);
    this.#statements = new PreparedStatements(maxStatements);
    this.#encoder = new MessageEncoder(this.#statements);
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.#lose();
        resolve();
      });
    });
    socket.on('error', () => {});
    socket.on('drain', () => {
      this.#full = false;
      this.#flush();
    });
    reader.handler = this;
  }

  get lost(): boolean {
    return this.#lost || this.#socket.destroyed;
  }
  get cancels(): number {
    return this.#cancels.count;
  }
  get cancelling(): Promise<void> | undefined {
    return this.#cancels.underWay;
  }

  control(text: string): Promise<WireOutcome> {
    return new Promise((resolve) => {
      this.#give(WireTask.control(text, resolve));
    });
  }

  bound(text: string, params: readonly EncodedParameter[], prepare: boolean): Promise<WireOutcome> {
    return new Promise((resolve) => {
      this.#give(WireTask.bound(text, params, prepare, resolve));
    });
  }

  unit(unit: PreparedUnit, settle: (answer: UnitAnswer) => void, onBegan?: () => void): void {
    this.#give(WireTask.unit(unit, settle, onBegan));
  }

  copyTo(text: string): WireCopy {
    const data = new CopyBuffer({ pause: () => this.#socket.pause(), resume: () => this.#socket.resume() });
    const outcome = new Promise<WireOutcome>((resolve) => {
      this.#give(WireTask.copy(text, data, resolve));
    });
    return { data, outcome };
  }

  async cancel(stillWanted: () => boolean): Promise<void> {
    await this.#cancels.cancel(stillWanted);
  }

  destroy(): void {
    this.#reader.stop();
    this.#socket.destroy();
  }

  async close(): Promise<void> {
    const timer = setTimeout(() => this.destroy(), closeTimeoutMs);
    timer.unref();
    if (!this.lost) this.#socket.end(terminate);
    await this.ended;
    clearTimeout(timer);
  }

  #give(task: WireTask): void {
    if (this.lost) {
      task.lose(false);
      return;
    }
    task.number = ++this.#given;
    if (this.#tail === undefined) this.#head = task;
    else this.#tail.next = task;
    this.#tail = task;
    this.#unwritten ??= task;
    if (this.#flushing || this.#full) return;
    this.#flushing = true;
    // After everything that runs in this turn: what its callers give travels in one write.
    process.nextTick(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    const { writer } = this.#encoder;
    while (this.#unwritten !== undefined && !this.#full && !this.lost) {
      let task: WireTask | undefined = this.#unwritten;
      try {
        for (; task !== undefined && writer.length < batchLength; task = task.next) this.#encoder.write(task);
      } catch {
        // Half a message would be left in the buffer.
        this.destroy();
        return;
      }
      this.#written = task === undefined ? this.#given : task.number - 1;
      this.#unwritten = task;
      this.#full = !this.#socket.write(writer.taken());
      writer.reset(this.#socket.writableLength === 0);
    }
  };

  frame(type: number, buffer: Buffer, start: number, end: number): void {
    const task = this.#head;
    if (type === noticeResponse || type === parameterStatus || type === notificationResponse || type === closeComplete) return;
    if (type === errorResponse) {
      this.#failed(task, readError(buffer, start, end));
      return;
    }
    // What nobody asked for is not an answer.
    if (task === undefined || task.number > this.#written) {
      this.destroy();
      return;
    }
    switch (type) {
      case dataRow:
        if (!task.inContext) this.#row(task, buffer, start, end);
        return;
      case bindComplete:
        task.bound = true;
        task.decoder = task.inContext ? undefined : task.statement?.decoder;
        return;
      case commandComplete: {
        if (task.inContext) {
          task.inContext = false;
          task.bound = false;
          task.onBegan?.();
          return;
        }
        const { command, count } = readTag(buffer, start, end);
        task.complete(command, count);
        return;
      }
      case readyForQuery:
        this.#ready(task, buffer[start]!);
        return;
      case parseComplete: {
        const statement = task.inContext ? task.context : task.statement;
        if (statement !== undefined) statement.parsed = true;
        return;
      }
      case rowDescription:
        this.#described(task, () => RowDecoder.described(buffer, start, end));
        return;
      case noData:
        this.#described(task, () => noColumns);
        return;
      case parameterDescription:
        return;
      case emptyQueryResponse:
        task.complete('', 0);
        return;
      case copyOutResponse:
      case copyDone:
        if (task.copy === undefined) this.destroy();
        return;
      case copyData:
        if (task.copy === undefined) this.destroy();
        // A copy of it: the bytes are the reader's.
        else task.copy.push(Buffer.from(buffer.subarray(start, end)));
        return;
      default:
        // Any other COPY, which would wait for data of ours, and what no server sends to an idle or pipelining client.
        this.destroy();
    }
  }

  #row(task: WireTask, buffer: Buffer, start: number, end: number): void {
    let row: unknown[] | undefined;
    try {
      row = task.decoder?.row(buffer, start, end);
    } catch {
      // A value that no string can hold. Its connection goes, not the process.
    }
    if (row === undefined) this.destroy();
    else task.rows.push(row);
  }

  #described(task: WireTask, read: () => RowDecoder): void {
    let decoder: RowDecoder;
    try {
      decoder = read();
    } catch {
      this.destroy();
      return;
    }
    if (task.control !== undefined) {
      task.decoder = decoder;
      return;
    }
    const statement = task.inContext ? task.context : task.statement;
    if (statement !== undefined) statement.decoder = decoder;
  }

  #failed(task: WireTask | undefined, error: ServerError | undefined): void {
    const fatal = error?.severity === 'FATAL' || error?.severity === 'PANIC';
    if (task === undefined || error === undefined || fatal || task.number > this.#written) {
      this.destroy();
      return;
    }
    if (task.error !== undefined) return;
    task.error = error;
    const statement = task.inContext ? task.context : task.statement;
    const isNew = task.inContext ? task.contextIsNew : task.statementIsNew;
    if (statement === undefined) return;
    if (isNew) {
      if (statement.decoder === undefined) this.#statements.giveUp(statement);
    } else if (!task.bound && task.result === undefined) {
      task.plan = isPlanError(error);
      // The server has forgotten a statement that it had: whoever made it do so is not to be trusted with the others.
      if (error.code === '26000' && statement.parsed) this.#statements.giveUpAll();
      else if (task.plan || mayBeStale(error)) this.#statements.giveUp(statement);
    }
    // The server skips the rest, a Parse of the statement included.
    if (task.inContext && task.statementIsNew && task.statement !== undefined) this.#statements.giveUp(task.statement);
  }

  #ready(task: WireTask, status: number): void {
    if (task.error === undefined && task.result === undefined) {
      // Ready without having answered: nothing that follows can be told apart any more.
      this.destroy();
      return;
    }
    this.#head = task.next;
    if (task.next === undefined) this.#tail = undefined;
    if (task.unit !== undefined && status !== idle) {
      // A transaction was open around it, so nothing of it is committed, and nothing will be.
      task.error = undefined;
      task.result = undefined;
      this.destroy();
      task.lose(false);
      return;
    }
    task.copy?.end();
    task.settle();
  }

  #lose(): void {
    this.#lost = true;
    this.#reader.stop();
    let task = this.#head;
    this.#head = undefined;
    this.#tail = undefined;
    this.#unwritten = undefined;
    for (; task !== undefined; task = task.next) task.lose(task.number <= this.#written);
  }
}

const noColumns = new RowDecoder([]);

/**
 * What a server says of a statement that it had prepared, before it runs: it is gone, its result changed its columns, or a migration
 * changed the types that its parameters were given.
 */
function isPlanError({ code, routine }: ServerError): boolean {
  return code === '26000' || (code === '0A000' && routine === 'RevalidateCachedQuery') || code === '42804' || code === '42883';
}

/** A statement that can't be planned any more, or whose parameters are not of the types it was given, may be right when it is parsed again. */
function mayBeStale({ code }: ServerError): boolean {
  return (code.startsWith('42') && code !== '42501') || code.startsWith('22');
}
