import { once } from 'node:events';
import { connect } from 'node:net';
import { median } from '../statistics.ts';

/** The median round trip of single bytes to an echo on 127.0.0.1, in milliseconds. */
export async function measureEcho(port: number, samples: number): Promise<number> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  try {
    await once(socket, 'connect');
    const times: number[] = [];
    for (let sample = 0; sample < samples; sample++) {
      const startedAt = performance.now();
      const back = once(socket, 'data');
      socket.write('.');
      await back;
      times.push(performance.now() - startedAt);
    }
    return median(times);
  } finally {
    socket.destroy();
  }
}
