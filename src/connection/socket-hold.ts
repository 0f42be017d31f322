import type { Socket } from 'node:net';

/**
 * What is listening on a socket from here on, until it is let go of: lets one owner of a socket follow another, with nothing of the
 * first left behind and nothing of the runtime's own, such as TLS's, taken away.
 */
export class SocketHold {
  readonly #socket: Socket;
  readonly #before = new Map<string | symbol, readonly unknown[]>();

  constructor(socket: Socket) {
    this.#socket = socket;
    for (const event of socket.eventNames()) this.#before.set(event, socket.rawListeners(event as string));
  }

  /** Removes every listener that was added since. */
  release(): void {
    for (const event of this.#socket.eventNames()) {
      const before = this.#before.get(event) ?? [];
      for (const listener of this.#socket.rawListeners(event as string)) {
        if (!before.includes(listener)) this.#socket.removeListener(event as string, listener as () => void);
      }
    }
  }
}
