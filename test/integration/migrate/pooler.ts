import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Stands before a server the way a pooler does: everything passes, but BackendKeyData names a process that it made up. */
export async function openPooler(url: string): Promise<AsyncDisposable & { readonly url: string }> {
  const upstream = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const backend = connect(Number(upstream.port), upstream.hostname);
    for (const socket of [client, backend]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        backend.destroy();
      });
    }
    client.pipe(backend);
    let pending = Buffer.alloc(0);
    let named = false;
    backend.on('data', (data: Buffer) => {
      pending = Buffer.concat([pending, data]);
      while (!named && pending.length >= 5 && pending.length > pending.readUInt32BE(1)) {
        const end = pending.readUInt32BE(1) + 1;
        const message = pending.subarray(0, end);
        if (message[0] === 'K'.charCodeAt(0)) {
          message.writeUInt32BE(1, 5);
          named = true;
        }
        client.write(message);
        pending = pending.subarray(end);
      }
      if (!named) return;
      client.write(pending);
      pending = Buffer.alloc(0);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const own = new URL(url);
  own.port = String((server.address() as AddressInfo).port);
  own.hostname = '127.0.0.1';
  return {
    url: own.href,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
