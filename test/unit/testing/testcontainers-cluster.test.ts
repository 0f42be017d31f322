import { afterEach, describe, expect, test, vi } from 'vitest';
import { AbortedError, ConfigurationError } from '../../../src/errors.ts';
import { startTestcontainersCluster } from '../../../src/testing/testcontainers-cluster.ts';

describe('without a container engine', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('the error says what is missing and what to use instead', async () => {
    // Every way in which testcontainers looks for an engine ends at an address where none answers.
    vi.stubEnv('DOCKER_HOST', 'tcp://127.0.0.1:9');
    vi.stubEnv('TESTCONTAINERS_HOST_OVERRIDE', '127.0.0.1');
    vi.stubEnv('XDG_RUNTIME_DIR', '/nonexistent');
    vi.stubEnv('HOME', '/nonexistent');
    const start = startTestcontainersCluster();
    if (await engineAnswers()) await start.then((cluster) => cluster.close());
    else await expect(start).rejects.toThrow(/No container engine answers\. Start Docker or Podman, or use startEmbeddedCluster\./);
  });
});

test('settings are checked before anything is looked for', async () => {
  await expect(startTestcontainersCluster({ settings: { port: 1 } })).rejects.toThrow(ConfigurationError);
});

test('an aborted start does not begin', async () => {
  await expect(startTestcontainersCluster({ signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
});

async function engineAnswers(): Promise<boolean> {
  const { getContainerRuntimeClient } = await import('testcontainers');
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
}
