import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CredentialsProvider, createTenancy } from '@godseye/tenancy';
import { type ClusterDefinition, type ControlPlane, createControlPlane } from '@godseye/tenancy/control';
import { type LocalKeyManager, localKeyManager } from '@godseye/tenancy/kms/local';
import type { EmbeddedCluster } from '@godseye/tenancy/testing';
import { type RetailTenancy, retailSchema } from './retail-tenancy.ts';
import { type Region, regions } from './servers.ts';

const migrations = Object.freeze({
  directory: fileURLToPath(new URL('../migrations', import.meta.url)),
  reference: fileURLToPath(new URL('../migrations/reference', import.meta.url)),
});

/** The platform of this run: its control plane, and one service in each region. */
export class Platform {
  readonly control: ControlPlane;
  /** The catalog as services read it. */
  readonly serviceCatalogUrl: string;
  readonly #servers: ReadonlyMap<Region, EmbeddedCluster>;
  readonly #keyFiles: ReadonlyMap<Region, string>;
  readonly #services = new Map<string, Promise<RetailTenancy>>();

  private constructor(
    control: ControlPlane,
    serviceCatalogUrl: string,
    servers: ReadonlyMap<Region, EmbeddedCluster>,
    keyFiles: ReadonlyMap<Region, string>,
  ) {
    this.control = control;
    this.serviceCatalogUrl = serviceCatalogUrl;
    this.#servers = servers;
    this.#keyFiles = keyFiles;
  }

  /** Makes catalog and clusters: on each server one that tenants share and one for tenants that have theirs to themselves. */
  static async install(servers: ReadonlyMap<Region, EmbeddedCluster>): Promise<Platform> {
    const keyFiles = new Map<Region, string>();
    for (const [region, { directory }] of servers) {
      // Beside the server's files, which its supervisor removes whatever becomes of this process. A real one lies elsewhere.
      await mkdir(join(directory, 'keys'), { mode: 0o700 });
      keyFiles.set(region, join(directory, 'keys', 'keys.json'));
    }
    const clusters = [...servers].flatMap(([region, { adminUrl }]): ClusterDefinition[] => [
      { id: `${region}-shared`, region, adminUrl, rolePrefix: 'retail' },
      { id: `${region}-premium`, region, adminUrl, rolePrefix: 'premium', dedicated: true },
    ]);
    const control = await createControlPlane({
      catalog: { adminUrl: clusters[0]!.adminUrl, rolePrefix: 'retail' },
      clusters,
      migrations,
      kms: keyManagers(keyFiles),
    });
    try {
      const { serviceCatalogUrl } = await control.init();
      return new Platform(control, serviceCatalogUrl, servers, keyFiles);
    } catch (error) {
      await control.close();
      throw error;
    }
  }

  /** The service of a region: a process there may serve only tenants whose data may be there. */
  async service(region: string): Promise<RetailTenancy> {
    let service = this.#services.get(region);
    if (service === undefined) {
      service = this.open({ region });
      this.#services.set(region, service);
    }
    return await service;
  }

  /** A service of one's own, which the caller closes. */
  async open(options: { readonly region: string; readonly credentials?: CredentialsProvider }): Promise<RetailTenancy> {
    return await createTenancy({
      catalog: { url: this.serviceCatalogUrl },
      schema: retailSchema,
      runtime: { region: options.region, applicationName: 'quickstart' },
      kms: keyManagers(this.#keyFiles),
      credentials: options.credentials,
    });
  }

  /** The superuser's URL of the server in a region, for what no service may see. */
  adminUrl(region: string, database = 'postgres'): string {
    const server = this.#servers.get(region as Region);
    if (server === undefined) throw new Error(`There is no server in ${region}.`);
    const url = new URL(server.adminUrl);
    url.pathname = `/${database}`;
    return url.href;
  }

  /** PostgreSQL's major version; the servers have the same. */
  get serverMajor(): number {
    return Number.parseInt(this.#servers.get(regions[0])!.version, 10);
  }

  async close(): Promise<void> {
    const services = await Promise.allSettled(this.#services.values());
    for (const service of services) if (service.status === 'fulfilled') await service.value.close();
    await this.control.close();
  }
}

/** One key file per region; whoever closes a service closes its key managers, so each gets its own. */
function keyManagers(files: ReadonlyMap<Region, string>): LocalKeyManager[] {
  return [...files].map(([region, file]) => localKeyManager({ file, region, allowSoftwareHsm: true }));
}
