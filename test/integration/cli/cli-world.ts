import { randomBytes } from 'node:crypto';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CatalogClient } from '../../../src/catalog/catalog-client.ts';
import { CredentialStore } from '../../../src/catalog/credential-store.ts';
import { KeyStore } from '../../../src/catalog/key-store.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { localKeyManager } from '../../../src/kms/local.ts';
import { urlFor, withClient } from '../../../src/provision/admin-client.ts';
import { CredentialVault } from '../../../src/provision/credential-vault.ts';
import { adminUrl, uniquePrefix } from '../../support/server.ts';
import { InstalledCli } from './installed-cli.ts';

const shop = join(import.meta.dirname, '../../support/shop/migrations');

/** A folder with tenancy.yaml, migrations and the installed CLI, over clusters of its own on the test server. */
export class CliWorld implements AsyncDisposable {
  readonly cli: InstalledCli;
  readonly prefix: string;
  /** The administrator's password: it needs encoding in URLs, which is where masking goes wrong. */
  readonly password: string;

  private constructor(cli: InstalledCli, prefix: string, password: string) {
    this.cli = cli;
    this.prefix = prefix;
    this.password = password;
  }

  static async open(): Promise<CliWorld> {
    const prefix = uniquePrefix();
    const password = `S3cr/t ${randomBytes(9).toString('base64url')}`;
    await withClient(
      adminUrl(),
      async (admin) => await admin.unsafe(`create role "${prefix}_admin" login superuser password '${password}'`),
    );
    const login = urlFor(adminUrl(), { database: 'postgres', user: `${prefix}_admin`, password });
    const cli = await InstalledCli.install({ ADMIN_PASSWORD: encodeURIComponent(password), REGION: 'us-east-1', USER: 'operator' }).catch(
      async (error: unknown) => {
        await dropAll(prefix);
        throw error;
      },
    );
    const world = new CliWorld(cli, prefix, password);
    await mkdir(join(cli.folder, 'config'));
    await cp(shop, join(cli.folder, 'config/migrations'), { recursive: true });
    const url = login.replace(encodeURIComponent(password), '${ADMIN_PASSWORD}');
    await world.write(
      'config/tenancy.yaml',
      `
catalog: { adminUrl: "${url}", rolePrefix: ${prefix} }
clusters:
  - { id: us-1, region: "\${REGION}", adminUrl: "${url}", rolePrefix: ${prefix} }
  - { id: us-1-dedicated, region: "\${REGION}", adminUrl: "${url}", rolePrefix: ${prefix}d, dedicated: true }
migrations: { directory: ./migrations, reference: ./migrations/reference }
kms: { provider: local, file: ./keys.json, region: "\${REGION}", allowSoftwareHsm: true }
`,
    );
    return world;
  }

  /** The arguments of a command with this world's configuration, which lies beside the folder that the CLI runs in. */
  with(...argv: readonly string[]): readonly string[] {
    return [...argv, '--config', 'config/tenancy.yaml'];
  }

  async write(name: string, text: string): Promise<string> {
    await writeFile(join(this.cli.folder, name), text);
    return name;
  }

  /** Writes a tenant's file and answers its name. */
  async tenantFile(id: string, tier: string, more = ''): Promise<string> {
    return await this.write(`${id}.yaml`, `tenant:\n  id: ${id}\n  name: "The ${id}"\n  tier: ${tier}\n  region: us-east-1\n${more}`);
  }

  async migration(name: string, sql: string): Promise<void> {
    await this.write(`config/migrations/${name}.sql`, `-- Up Migration\n${sql}\n`);
  }

  /** Runs statements as the superuser: to sabotage and to look, never to prove. */
  async asSuperuser<T extends object = Record<string, unknown>>(database: string, text: string): Promise<readonly T[]> {
    return await withClient(adminUrl(database), async (admin) => await admin.unsafe<T[]>(text));
  }

  kms() {
    return localKeyManager({ file: join(this.cli.folder, 'config/keys.json'), region: 'us-east-1', allowSoftwareHsm: true });
  }

  /** Everything that no output may hold: passwords as they are and encoded, and every key of the key file. */
  async secrets(): Promise<readonly string[]> {
    const managers = new KeyManagers(this.kms());
    const session = await CatalogClient.open({ url: adminUrl(`${this.prefix}_catalog`), applicationName: 'cli-test' });
    const vault = new CredentialVault({ store: new CredentialStore(session), keys: new KeyStore(session), managers });
    const passwords = [this.password, encodeURIComponent(this.password)];
    for (const kind of ['owner', 'service'] as const) {
      const rows = await this.asSuperuser<{ cluster_id: string; database: string }>(
        `${this.prefix}_catalog`,
        `select cluster_id, database from tenancy.${kind}_credentials`,
      );
      for (const row of rows) passwords.push((await vault.require(kind, { clusterId: row.cluster_id, database: row.database })).password);
    }
    await session.close();
    await managers.close();
    return [...passwords, ...longStringsIn(JSON.parse(await readFile(join(this.cli.folder, 'config/keys.json'), 'utf8')))];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cli[Symbol.asyncDispose]();
    await dropAll(this.prefix);
  }
}

/** Keys are the only long strings without a hyphen in a key file; its ids have several. */
function longStringsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return /^[A-Za-z0-9+/=_]{40,}$/.test(value) ? [value] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(longStringsIn) : [];
}

async function dropAll(prefix: string): Promise<void> {
  await withClient(adminUrl(), async (admin) => {
    const databases = await admin<{ name: string }[]>`select datname::text as name from pg_database where datname ~ ${`^${prefix}d?_`}`;
    for (const { name } of databases) await admin.unsafe(`drop database "${name}" with (force)`);
    const roles = await admin<{ name: string }[]>`select rolname::text as name from pg_roles where rolname ~ ${`^${prefix}d?_`}`;
    for (const { name } of roles) await admin.unsafe(`drop role "${name}"`);
  });
}
