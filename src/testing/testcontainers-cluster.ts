import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import type { StartedTestContainer } from 'testcontainers';
import { AbortedError, ConfigurationError, TenancyError } from '../errors.ts';
import { type ServerSettings, serverSettings } from './server-settings.ts';
import type { TestCluster } from './test-cluster.ts';

/** How a cluster in a container is started. */
export interface TestcontainersClusterOptions {
  /** The image of PostgreSQL; `postgres:18` unless told. */
  readonly image?: string | undefined;
  /** Server settings; `max_connections` is 300 unless told. */
  readonly settings?: ServerSettings | undefined;
  /** Ends the wait for a start; the container is removed. */
  readonly signal?: AbortSignal | undefined;
}

const PORT = 5432;

/**
 * Starts a PostgreSQL in a container through the npm package testcontainers (an optional peer), for platforms whose tests need an image
 * of their own. Its reaper removes the container when this process dies.
 *
 * @throws {ConfigurationError} when testcontainers is missing, no container engine answers, or a setting is reserved
 * @throws {AbortedError} when `signal` fires before the server is ready
 * @example
 * ```ts
 * await using cluster = await startTestcontainersCluster({ image: 'postgres:16' });
 * ```
 */
export async function startTestcontainersCluster(options: TestcontainersClusterOptions = {}): Promise<TestCluster> {
  const settings = { max_connections: '300', fsync: 'off', ...serverSettings(options.settings ?? {}) };
  refuseIfAborted(options.signal);
  const { GenericContainer, getContainerRuntimeClient, Wait } = await loadTestcontainers();
  await getContainerRuntimeClient().catch((cause: unknown) => {
    throw new ConfigurationError('No container engine answers.', { cause, hint: 'Start Docker or Podman, or use startEmbeddedCluster.' });
  });
  refuseIfAborted(options.signal);
  const password = randomBytes(24).toString('hex');
  const container = await new GenericContainer(options.image ?? 'postgres:18')
    .withEnvironment({ POSTGRES_PASSWORD: password, POSTGRES_HOST_AUTH_METHOD: 'scram-sha-256' })
    .withCommand(['postgres', ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])])
    .withExposedPorts(PORT)
    // The image starts the server once to set itself up and then for good.
    .withWaitStrategy(Wait.forLogMessage('database system is ready to accept connections', 2))
    .start()
    .catch((cause: unknown) => {
      throw new TenancyError(`A container of ${options.image ?? 'postgres:18'} did not start.`, { cause });
    });
  try {
    refuseIfAborted(options.signal);
    return await cluster(container, password);
  } catch (error) {
    await container.stop();
    throw error;
  }
}

async function cluster(container: StartedTestContainer, password: string): Promise<TestCluster> {
  const host = container.getHost();
  const port = container.getMappedPort(PORT);
  const adminUrl = `postgres://postgres:${password}@${host}:${port}/postgres`;
  const sql = postgres(adminUrl, { max: 1, onnotice: () => {}, fetch_types: false });
  const [row] = await sql<{ version: string }[]>`select split_part(current_setting('server_version'), ' ', 1) as version`.finally(() =>
    sql.end(),
  );
  let stopping: Promise<unknown> | undefined;
  const close = async (): Promise<void> => {
    stopping ??= container.stop();
    await stopping;
  };
  return Object.freeze({ adminUrl, host, port, version: row!.version, close, [Symbol.asyncDispose]: close });
}

async function loadTestcontainers(): Promise<typeof import('testcontainers')> {
  try {
    return await import('testcontainers');
  } catch (cause) {
    throw new ConfigurationError('A cluster in a container needs the npm package testcontainers.', {
      cause,
      hint: 'Install it with: npm install --save-dev testcontainers',
    });
  }
}

function refuseIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortedError('The start of a cluster in a container was aborted.', { cause: signal.reason });
}
