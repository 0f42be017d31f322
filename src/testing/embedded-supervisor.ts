import { createInterface } from 'node:readline';
import { TenancyError } from '../errors.ts';
import type { SupervisorReport, SupervisorRequest } from './embedded-protocol.ts';
import { EmbeddedServer } from './embedded-server.ts';

/*
 * The process that owns an embedded PostgreSQL. It lives in a session of its own, so that Ctrl-C in a terminal does not reach it, and
 * watches its standard input: when that ends, because the process at the other end closed it or died of whatever, SIGKILL included,
 * it stops the server and removes its files.
 */
const order = new AbortController();
let supervising = false;

function stop(): void {
  order.abort();
  if (!supervising) process.exit();
}

async function supervise(request: SupervisorRequest): Promise<void> {
  supervising = true;
  const server = new EmbeddedServer(request);
  try {
    const { exited, ...started } = await server.start(order.signal);
    report({ kind: 'ready', ...started });
    const ordered = new Promise((resolve) => order.signal.addEventListener('abort', resolve));
    if (!order.signal.aborted) await Promise.race([ordered, exited]);
  } catch (error) {
    if (!order.signal.aborted) report(failureOf(error));
  } finally {
    await server.stop();
    process.exit();
  }
}

function report(message: SupervisorReport): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function failureOf(error: unknown): SupervisorReport {
  const message = error instanceof Error ? error.message : String(error);
  return { kind: 'failed', message, code: error instanceof TenancyError ? error.code : 'TENANCY' };
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
process.on('uncaughtException', stop);
process.stdout.on('error', stop);
process.stdin.on('error', stop);
const lines = createInterface({ input: process.stdin });
lines.once('line', (line) => void supervise(JSON.parse(line) as SupervisorRequest));
lines.on('close', stop);
