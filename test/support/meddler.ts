import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A proxy in front of a server that changes what the server says. */
export interface Meddler extends AsyncDisposable {
  readonly port: number;
  /** Takes each piece that the server sends and returns the pieces that the client gets; as they came unless set. */
  down: (piece: Buffer) => readonly Buffer[];
  /** The same for what clients send. */
  up: (piece: Buffer) => readonly Buffer[];
}

/** Starts one; it ends with all its connections when disposed. */
export async function startMeddler(target: { readonly host: string; readonly port: number }): Promise<Meddler> {
  const sockets = new Set<Socket>();
  const unchanged = (piece: Buffer): readonly Buffer[] => [piece];
  const meddler = { down: unchanged, up: unchanged };
  const pass = (from: Socket, to: Socket, direction: 'down' | 'up'): void => {
    sockets.add(from);
    from.on('data', (piece: Buffer) => {
      for (const part of meddler[direction](piece)) to.write(part);
    });
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    from.on('error', () => to.destroy());
  };
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ ...target, noDelay: true });
    pass(client, upstream, 'up');
    pass(upstream, client, 'down');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return Object.assign(meddler, {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  });
}
