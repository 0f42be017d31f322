import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { measureEcho } from './echo.ts';
import type { ProxyOrder, ProxyReport } from './proxy-protocol.ts';

/** A TCP proxy in a process of its own. */
export interface DelayProxy extends AsyncDisposable {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  /**
   * Makes every round trip longer by so many milliseconds: sets a delay and corrects it by what an echo then takes.
   *
   * @returns what the echo's round trip became longer by, in milliseconds: the median
   */
  addRoundTripTime(rttMs: number): Promise<number>;
  /** How many round trips there were since this was asked before. */
  takeRoundTrips(): Promise<number>;
}

const samples = 60;

/** Starts a proxy in front of a server; it adds nothing but itself until told. */
export async function startDelayProxy(target: { readonly host: string; readonly port: number }): Promise<DelayProxy> {
  const child = fork(fileURLToPath(new URL('./delay-proxy-process.ts', import.meta.url)), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const started = await ask(child, { kind: 'start', ...target });
  if (started.kind !== 'started') throw new Error('the proxy did not start');
  const added = async (): Promise<number> =>
    (await measureEcho(started.proxiedEchoPort, samples)) - (await measureEcho(started.echoPort, samples));
  return {
    port: started.port,
    async addRoundTripTime(rttMs) {
      let delayMs = rttMs / 2;
      for (let tries = 0; tries < 3; tries++) {
        await ask(child, { kind: 'delay', delayMs });
        delayMs = Math.max(0.05, delayMs + (rttMs - (await added())) / 2);
      }
      await ask(child, { kind: 'delay', delayMs });
      return await added();
    },
    async takeRoundTrips() {
      const counted = await ask(child, { kind: 'count' });
      return counted.kind === 'counted' ? counted.roundTrips : Number.NaN;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}

async function ask(child: ChildProcess, order: ProxyOrder): Promise<ProxyReport> {
  const ended = new AbortController();
  try {
    const report = once(child, 'message', { signal: ended.signal });
    const exit = once(child, 'exit', { signal: ended.signal }).then(() => {
      throw new Error('the proxy ended');
    });
    child.send(order);
    const [answer] = await Promise.race([report, exit]);
    return answer as ProxyReport;
  } finally {
    ended.abort();
  }
}
