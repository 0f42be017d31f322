import { connectSocket, type LaneAddress } from './lane-socket.ts';

/** What the server gave a session at its start, so that another connection may ask to cancel its statement. */
export interface BackendKey {
  readonly pid: number;
  readonly secret: number;
}

const timeoutMs = 5_000;

/**
 * Asks the server to cancel what a backend is running and waits until it has closed the asking connection: by then the signal is
 * on its way, and a backend that has meanwhile gone idle ignores it when it reads its next message.
 *
 * @param stillWanted asked last of all before the request is written, so that a statement which has ended meanwhile is left alone
 */
export async function sendCancelRequest(address: LaneAddress, key: BackendKey, stillWanted: () => boolean): Promise<void> {
  const signal = AbortSignal.timeout(timeoutMs);
  const socket = await connectSocket(address, signal);
  if (!stillWanted()) {
    socket.destroy();
    return;
  }
  await new Promise<void>((resolve) => {
    const giveUp = (): void => {
      socket.destroy();
    };
    signal.addEventListener('abort', giveUp, { once: true });
    socket.once('close', () => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    });
    socket.on('error', () => {});
    socket.resume();
    socket.write(requestOf(key));
  });
}

function requestOf(key: BackendKey): Buffer {
  const message = Buffer.alloc(16);
  message.writeInt32BE(16, 0);
  message.writeInt32BE(80_877_102, 4);
  message.writeUInt32BE(key.pid, 8);
  message.writeUInt32BE(key.secret, 12);
  return message;
}
