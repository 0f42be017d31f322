import { connect, type Socket } from 'node:net';
import postgres from 'postgres';

/** A frame of PostgreSQL's protocol as it came: its type and what it holds. */
export interface Frame {
  readonly type: string;
  readonly body: Buffer;
}

/**
 * A session whose messages a test writes itself, byte by byte: what somebody can send who has the service's socket. postgres.js only logs in.
 */
export class MessageSession implements AsyncDisposable {
  readonly #socket: Socket;
  #pending = Buffer.alloc(0);
  #frames: Frame[] = [];
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#frames.push({ type: 'closed', body: Buffer.alloc(0) });
      this.#wake?.();
    });
  }

  static async open(url: string): Promise<MessageSession> {
    let socket: Socket | undefined;
    const { hostname, port } = new URL(url);
    const client = postgres(url, {
      max: 1,
      fetch_types: false,
      onnotice: () => {},
      // Not in its types; documented.
      ...({
        socket: async () =>
          await new Promise<Socket>((resolve) => {
            socket = connect(Number(port), hostname, () => resolve(socket!));
          }),
      } as object),
    });
    await client`select 1`;
    for (const event of ['data', 'close', 'error', 'drain']) socket!.removeAllListeners(event);
    return new MessageSession(socket!);
  }

  /** Sends frames, and answers those that come until the server is ready, or has closed. */
  async exchange(...frames: readonly Frame[]): Promise<readonly Frame[]> {
    this.#frames = [];
    for (const { type, body } of frames) {
      const head = Buffer.alloc(5);
      head.write(type, 0, 'latin1');
      head.writeInt32BE(body.length + 4, 1);
      this.#socket.write(Buffer.concat([head, body]));
    }
    while (!this.#frames.some(({ type }) => type === 'Z' || type === 'closed'))
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.#frames;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= 5) {
      const length = this.#pending.readInt32BE(1) + 1;
      if (this.#pending.length < length) break;
      this.#frames.push({ type: this.#pending.toString('latin1', 0, 1), body: Buffer.from(this.#pending.subarray(5, length)) });
      this.#pending = this.#pending.subarray(length);
    }
    this.#wake?.();
  }
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`);
const int16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const int32 = (value: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(value);
  return buffer;
};
const frame = (type: string, ...parts: readonly Buffer[]): Frame => ({ type, body: Buffer.concat(parts) });

/** The messages that attacks are made of. */
export const messages = {
  query: (sql: string): Frame => frame('Q', text(sql)),
  parse: (name: string, sql: string): Frame => frame('P', text(name), text(sql), int16(0)),
  bind: (portal: string, statement: string): Frame => frame('B', text(portal), text(statement), int16(0), int16(0), int16(0)),
  execute: (portal: string, rows = 0): Frame => frame('E', text(portal), int32(rows)),
  sync: frame('S'),
  /** The old function call, which takes a function's number and no SQL. */
  call: (oid: number, args: readonly string[]): Frame =>
    frame(
      'F',
      int32(oid),
      int16(0),
      int16(args.length),
      ...args.flatMap((value) => [int32(Buffer.byteLength(value)), Buffer.from(value)]),
      int16(0),
    ),
};

/** The SQLSTATE of an answer's first error. */
export function refusal(frames: readonly Frame[]): string | undefined {
  const error = frames.find(({ type }) => type === 'E');
  return error === undefined ? undefined : /(?:^|\0)C([0-9A-Z]{5})/.exec(error.body.toString('utf8'))?.[1];
}

/** What an answer holds as text: rows, tags and results of functions. */
export function contents(frames: readonly Frame[]): string {
  return frames
    .filter(({ type }) => type === 'D' || type === 'V')
    .map(({ body }) => body.toString('utf8'))
    .join('\n');
}
