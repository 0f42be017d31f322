import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What went through a proxy since its counters were reset. */
export interface ProxyCounts {
  /** Bytes from clients to the server, and back. */
  readonly up: number;
  readonly down: number;
  /** How many times clients began to write after the server had: one for each round trip. */
  readonly bursts: number;
}

export type Direction = 'up' | 'down';

/** How a connection ends: in good order, by a reset, or not at all: nothing passes any more, and both ends believe that it lives. */
export type CutKind = 'fin' | 'rst' | 'stall';

/** What went through a proxy while it was recorded. */
export interface Recording {
  readonly up: Buffer;
  readonly down: Buffer;
}

/** A TCP proxy on loopback that counts, records, delays and cuts. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  readonly counts: ProxyCounts;
  /** How many connections are open now. */
  readonly connections: number;
  /** How many connections were made so far. */
  readonly accepted: number;
  resetCounts(): void;
  /** Keeps all bytes from now on, until the function that it returns is called. */
  record(): () => Recording;
  /** Holds every chunk back for so long, in milliseconds, in either direction. */
  delay(ms: number): void;
  /**
   * Cuts the connection that carries the so-manieth further byte in one direction; what comes after it is never delivered.
   *
   * @param bytes 0 cuts at the next byte and delivers none
   * @returns resolves when it was cut; never, when something else ended it before
   */
  cutAfter(direction: Direction, bytes: number, how?: CutKind): Promise<void>;
  /** Delivers what was held back by a stall, and goes on. */
  resume(): void;
  /** Destroys every connection at once, or only the one at this place among those open, counted from the oldest. */
  cut(place?: number, how?: 'fin' | 'rst'): void;
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  /** What waits, in both directions, while the connection is stalled. */
  held: (() => void)[] | undefined;
}

/**
 * Starts a proxy in front of a server; it ends with all its connections when disposed.
 *
 * @param port where it listens, such as where another one did; a free one unless told
 */
export async function startTcpProxy(target: { readonly host: string; readonly port: number }, port = 0): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  let counts = { up: 0, down: 0, bursts: 0 };
  let last: Direction = 'down';
  let delayMs = 0;
  let accepted = 0;
  let allowance: { readonly direction: Direction; readonly how: CutKind; readonly reached: () => void; left: number } | undefined;
  let recorded: { readonly up: Buffer[]; readonly down: Buffer[] } | undefined;

  const end = ({ client, upstream }: Pair, how: 'fin' | 'rst'): void => {
    for (const socket of [client, upstream]) {
      if (how === 'rst') socket.resetAndDestroy();
      else socket.destroy();
    }
  };
  const cut = (place?: number, how: 'fin' | 'rst' = 'fin'): void => {
    allowance = undefined;
    for (const pair of place === undefined ? [...pairs] : [...pairs].slice(place, place + 1)) end(pair, how);
  };
  const count = (direction: Direction, chunk: Buffer): void => {
    if (direction === 'up' && last === 'down') counts.bursts++;
    last = direction;
    counts[direction] += chunk.length;
    recorded?.[direction].push(chunk);
  };
  const pass = (pair: Pair, from: Socket, to: Socket, direction: Direction): void => {
    const write = (part: Buffer): void => {
      if (!to.destroyed) to.write(part);
    };
    const send = (chunk: Buffer): void => {
      if (pair.held !== undefined) {
        pair.held.push(() => write(chunk));
        return;
      }
      if (allowance?.direction !== direction || allowance.left > chunk.length) {
        if (allowance?.direction === direction) allowance.left -= chunk.length;
        write(chunk);
        return;
      }
      const { left, how, reached } = allowance;
      allowance = undefined;
      if (how === 'stall') {
        pair.held = [() => write(chunk.subarray(left))];
        if (left > 0) write(chunk.subarray(0, left));
        reached();
      } else if (to.destroyed) reached();
      else {
        to.write(chunk.subarray(0, left), () => {
          end(pair, how);
          reached();
        });
        // Nothing more passes while the last bytes are on their way.
        pair.held = [];
      }
    };
    from.on('data', (chunk: Buffer) => {
      count(direction, chunk);
      if (delayMs > 0) setTimeout(() => send(chunk), delayMs);
      else send(chunk);
    });
    const close = (how: () => void): void => {
      if (pair.held === undefined) how();
      else pair.held.push(how);
    };
    from.on('end', () => close(() => to.end()));
    from.on('close', () => close(() => to.destroy()));
    from.on('error', () => {});
  };

  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    accepted++;
    const upstream = connect({ ...target, noDelay: true, allowHalfOpen: true });
    const pair: Pair = { client, upstream, held: undefined };
    pairs.add(pair);
    client.on('close', () => {
      pairs.delete(pair);
      // The client of a stalled connection has gone: so will the server's end.
      if (pair.held !== undefined) upstream.destroy();
    });
    pass(pair, client, upstream, 'up');
    pass(pair, upstream, client, 'down');
  });
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });

  return {
    port: (server.address() as AddressInfo).port,
    get counts() {
      return { ...counts };
    },
    get connections() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    resetCounts() {
      counts = { up: 0, down: 0, bursts: 0 };
      last = 'down';
    },
    record() {
      const chunks = { up: [] as Buffer[], down: [] as Buffer[] };
      recorded = chunks;
      return () => {
        recorded = undefined;
        return { up: Buffer.concat(chunks.up), down: Buffer.concat(chunks.down) };
      };
    },
    delay(ms) {
      delayMs = ms;
    },
    async cutAfter(direction, bytes, how = 'fin') {
      await new Promise<void>((resolve) => {
        allowance = { direction, left: bytes, how, reached: resolve };
      });
    },
    resume() {
      for (const pair of pairs) {
        const held = pair.held ?? [];
        pair.held = undefined;
        for (const deliver of held) deliver();
      }
    },
    cut,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      cut();
      await closed;
    },
  };
}
