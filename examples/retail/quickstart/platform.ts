import { fileURLToPath } from 'node:url';
import { type CredentialsProvider, createTenancy } from '@godseye/tenancy';
import { type ClusterDefinition, type ControlPlane, createControlPlane } from '@godseye/tenancy/control';
import type { EmbeddedCluster } from '@godseye/tenancy/testing';
import { KeyPlaces } from './key-places.ts';
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
  readonly keys: KeyPlaces;
  readonly #servers: ReadonlyMap<Region, EmbeddedCluster>;
  readonly #services = new Map<string, Promise<RetailTenancy>>();

  private constructor(control: ControlPlane, serviceCatalogUrl: string, servers: ReadonlyMap<Region, EmbeddedCluster>, keys: KeyPlaces) {
    this.control = control;
    this.serviceCatalogUrl = serviceCatalogUrl;
    this.#servers = servers;
    this.keys = keys;
  }

  /** Makes catalog and clusters: on each server one that tenants share and one for tenants that have theirs to themselves. */
  static async install(servers: ReadonlyMap<Region, EmbeddedCluster>, signal: AbortSignal): Promise<Platform> {
    // Beside the servers' files, which their supervisors remove.
    const keys = await KeyPlaces.make(new Map([...servers].map(([region, { directory }]) => [region, directory])), signal);
    const clusters = [...servers].flatMap(([region, { adminUrl }]): ClusterDefinition[] => [
      { id: `${region}-shared`, region, adminUrl, rolePrefix: 'retail' },
      { id: `${region}-premium`, region, adminUrl, rolePrefix: 'premium', dedicated: true },
    ]);
    const control = await createControlPlane({
      catalog: { adminUrl: clusters[0]!.adminUrl, rolePrefix: 'retail' },
      clusters,
      migrations,
      kms: keys.keyManagers(),
    });
    try {
      const { serviceCatalogUrl } = await control.init();
      return new Platform(control, serviceCatalogUrl, servers, keys);
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
      kms: this.keys.keyManagers(),
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

  /** The superuser's URL of the catalog. */
  get catalogAdminUrl(): string {
    return this.adminUrl(regions[0], new URL(this.serviceCatalogUrl).pathname.slice(1));
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
