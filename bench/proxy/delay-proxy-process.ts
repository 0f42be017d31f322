import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { DelayLine } from './delay-line.ts';
import type { ProxyOrder, ProxyReport } from './proxy-protocol.ts';
import { createWakeUp } from './wake-up.ts';

/*
 * A TCP proxy that holds everything back for a while and counts round trips. A process of its own, so that it takes no time of the event
 * loop that is measured. It ends when the bench does, however that ends.
 */
const now = (): number => performance.timeOrigin + performance.now();
const wakeUp = createWakeUp(() => line.deliverDue());
const line = new DelayLine((time) => wakeUp.at(time), now);
let roundTrips = 0;

/** @param counted whether its round trips are */
function proxy(host: string, port: number, counted: boolean): Server {
  return createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const upstream = connect({ host, port, noDelay: true, allowHalfOpen: true });
    // A client that writes after it was given something has waited for it: a round trip.
    let answered = true;
    pass(client, upstream, () => {
      if (answered && counted) roundTrips++;
      answered = false;
    });
    pass(upstream, client, undefined, () => {
      answered = true;
    });
  });
}

function pass(from: Socket, to: Socket, onArrival?: () => void, onDelivery?: () => void): void {
  from.on('data', (chunk: Buffer) => {
    onArrival?.();
    line.push(() => {
      if (to.destroyed) return;
      onDelivery?.();
      to.write(chunk);
    });
  });
  from.on('end', () => line.push(() => to.end()));
  from.on('close', () => line.push(() => to.destroy()));
  from.on('error', () => to.destroy());
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function answer(order: ProxyOrder): Promise<ProxyReport> {
  switch (order.kind) {
    case 'start': {
      const echoPort = await listen(createServer({ noDelay: true }, (socket) => socket.on('error', () => {}).pipe(socket)));
      const port = await listen(proxy(order.host, order.port, true));
      return { kind: 'started', port, echoPort, proxiedEchoPort: await listen(proxy('127.0.0.1', echoPort, false)) };
    }
    case 'delay':
      line.delayMs = order.delayMs;
      return { kind: 'delayed' };
    case 'count': {
      const counted = roundTrips;
      roundTrips = 0;
      return { kind: 'counted', roundTrips: counted };
    }
  }
}

// A terminal's Ctrl-C reaches the bench as well, which then closes what goes through here in order.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit());
process.on('message', async (order: ProxyOrder) => process.send?.(await answer(order)));
