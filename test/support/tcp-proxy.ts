import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What went through a proxy since its counters were reset. */
export interface ProxyCounts {
  /** Bytes from clients to the server, and back. */
  readonly up: number;
  readonly down: number;
  /** How many times clients began to write after the server had: one for each round trip. */
  readonly bursts: number;
}

/** A TCP proxy on loopback that counts, delays and cuts. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  readonly counts: ProxyCounts;
  /** How many connections are open now. */
  readonly connections: number;
  /** How many connections were made so far. */
  readonly accepted: number;
  resetCounts(): void;
  /** Holds every chunk back for so long, in milliseconds, in either direction. */
  delay(ms: number): void;
  /** Destroys the connection that carries the so-manieth further byte in one direction; what comes after it is never delivered. */
  cutAfter(direction: 'up' | 'down', bytes: number): void;
  /** Destroys every connection at once, or only the one at this place among those open, counted from the oldest. */
  cut(place?: number): void;
}

/**
 * Starts a proxy in front of a server; it ends with all its connections when disposed.
 *
 * @param port where it listens, such as where another one did; a free one unless told
 */
export async function startTcpProxy(target: { readonly host: string; readonly port: number }, port = 0): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let counts = { up: 0, down: 0, bursts: 0 };
  let last: 'up' | 'down' = 'down';
  let delayMs = 0;
  let accepted = 0;
  let allowance: { readonly direction: 'up' | 'down'; left: number } | undefined;

  const cut = (place?: number): void => {
    allowance = undefined;
    const chosen = place === undefined ? [...pairs] : [...pairs].slice(place, place + 1);
    for (const pair of chosen) for (const socket of pair) socket.destroy();
  };
  const count = (direction: 'up' | 'down', bytes: number): void => {
    if (direction === 'up' && last === 'down') counts.bursts++;
    last = direction;
    counts[direction] += bytes;
  };
  const pass = (from: Socket, to: Socket, direction: 'up' | 'down'): void => {
    from.on('data', (chunk: Buffer) => {
      count(direction, chunk.length);
      let part = chunk;
      let last = false;
      if (allowance?.direction === direction) {
        part = chunk.subarray(0, allowance.left);
        allowance.left -= part.length;
        last = allowance.left === 0;
      }
      const deliver = (): void => {
        if (to.destroyed) return;
        if (last)
          to.write(part, () => {
            allowance = undefined;
            from.destroy();
            to.destroy();
          });
        else to.write(part);
      };
      if (delayMs > 0) setTimeout(deliver, delayMs);
      else deliver();
    });
    from.on('end', () => to.end());
    from.on('close', () => to.destroy());
    from.on('error', () => to.destroy());
  };

  const server = createServer({ noDelay: true }, (client) => {
    accepted++;
    const upstream = connect({ ...target, noDelay: true });
    const pair = [client, upstream] as const;
    pairs.add(pair);
    client.on('close', () => pairs.delete(pair));
    pass(client, upstream, 'up');
    pass(upstream, client, 'down');
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
    delay(ms) {
      delayMs = ms;
    },
    cutAfter(direction, bytes) {
      allowance = { direction, left: bytes };
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
