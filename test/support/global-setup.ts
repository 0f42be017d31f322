import { startEmbeddedCluster } from '../../src/testing/embedded-cluster.ts';

/** The server that tests use: the one that DATABASE_URL names, or an embedded cluster of this run's own. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env['DATABASE_URL'] !== undefined) return undefined;
  const cluster = await startEmbeddedCluster();
  process.env['TENANCY_TEST_URL'] = cluster.adminUrl;
  return cluster.close;
}
