import { withAdmin } from './admin.ts';
import type { World } from './world.ts';

/**
 * Says in the catalog where services reach the server from now on.
 *
 * @param port on 127.0.0.1; the server's own address unless told
 */
export async function reach(world: World, port?: number): Promise<{ readonly host: string; readonly port: number }> {
  const server = new URL(world.platform.adminUrl);
  const address = port === undefined ? { host: server.hostname, port: Number(server.port || 5432) } : { host: '127.0.0.1', port };
  await withAdmin(world.catalogUrl, async (admin) => {
    await admin`update tenancy.clusters set host = ${address.host}, port = ${address.port}
      where host <> ${address.host} or port <> ${address.port}`;
  });
  return address;
}
