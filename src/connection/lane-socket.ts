import { connect, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** No TLS, TLS with the server's certificate verified, or the same with certificates of one's own (`ca`, `cert`, `key`, …). */
export type LaneTls = 'disable' | 'verify-full' | ConnectionOptions;

/** Where a lane connects to; a host that begins with `/` is the folder of a Unix socket. */
export interface LaneAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: LaneTls;
}

const sslRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/**
 * Connects a socket and completes its TLS handshake, so that the driver is handed a finished connection and never makes one.
 *
 * @param signal ends the attempt; the socket is destroyed
 * @throws the socket's own error, or the signal's reason
 */
export async function connectSocket(address: LaneAddress, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = address.host.startsWith('/')
    ? connect({ path: `${address.host}/.s.PGSQL.${address.port}` })
    : connect({ host: address.host, port: address.port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 });
  let secured: Socket = socket;
  const abort = (): void => {
    socket.destroy(toError(signal.reason));
  };
  signal.addEventListener('abort', abort, { once: true });
  try {
    await settled(socket, 'connect');
    if (address.tls !== 'disable') secured = await secure(socket, address);
    signal.throwIfAborted();
    return secured;
  } catch (error) {
    secured.destroy();
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

async function secure(socket: Socket, address: LaneAddress): Promise<Socket> {
  socket.write(sslRequest);
  const answer = await settled<Buffer>(socket, 'data');
  socket.pause();
  // More than one byte before the handshake was put there by someone in the middle (CVE-2021-23222).
  if (answer.length !== 1) throw new Error('The server answered the TLS request with more than one byte.');
  if (answer[0] !== 0x53) throw new Error('The server offers no TLS.');
  const own = typeof address.tls === 'object' ? address.tls : {};
  const secured = connectTls({
    minVersion: 'TLSv1.2',
    ...own,
    socket,
    host: address.host,
    ...(isIP(address.host) === 0 ? { servername: own.servername ?? address.host } : {}),
  });
  await settled(secured, 'secureConnect');
  return secured;
}

/** Resolves with an event's first argument; rejects when the socket fails or closes before. */
async function settled<T = void>(socket: Socket, event: string): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const failed = (error: Error): void => {
      stop();
      reject(error);
    };
    const closed = (): void => {
      stop();
      reject(new Error('The server closed the connection.'));
    };
    const happened = (value: T): void => {
      stop();
      resolve(value);
    };
    const stop = (): void => {
      socket.off(event, happened).off('close', closed).off('error', failed);
      // A socket between two listeners must not end the process.
      socket.on('error', () => {});
    };
    socket.once(event, happened).once('error', failed).once('close', closed);
  });
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('The connection attempt was aborted.');
}
