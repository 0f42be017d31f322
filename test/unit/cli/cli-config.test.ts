// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax of the configuration file
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCliConfig } from '../../../src/cli/cli-config.ts';
import { ConfigurationError } from '../../../src/errors.ts';
import type { ClusterDefinition } from '../../../src/provision/cluster-definition.ts';

const whole = `
catalog: { adminUrl: "postgres://admin:\${PASSWORD}@db.example/postgres", rolePrefix: tnc }
clusters:
  - { id: eu-1, region: eu-west-1, adminUrl: "postgres://admin:\${PASSWORD}@db.example/postgres" }
  - { id: us-1, region: "\${REGION}", adminUrl: postgresql://admin@us.example, dedicated: true, maxLanes: 8, tls: verify-full, port: 6432 }
migrations: { directory: ./migrations, reference: ./migrations/reference }
kms: { provider: local, file: /var/keys.json, region: eu-west-1, allowSoftwareHsm: true }
tiers:
  pool: { isolation: row, keyPolicy: platform, dedicatedCluster: false, priority: 0, maxLanes: 2 }
`;
const env = { PASSWORD: 'n0t%2Fthis', REGION: 'us-east-1' };

describe('readCliConfig', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cli-config-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function read(text: string, variables: Record<string, string> = env, name = 'tenancy.yaml') {
    await writeFile(join(folder, name), text);
    return await readCliConfig(join(folder, name), variables);
  }

  async function refusal(text: string, variables: Record<string, string> = env): Promise<string> {
    const error = await read(text, variables).then(
      () => expect.unreachable('it was accepted'),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ConfigurationError);
    return (error as Error).message;
  }

  test('fills in variables, makes paths absolute and remembers what to mask', async () => {
    const config = await read(whole);
    expect(config).toMatchObject({
      catalog: { adminUrl: 'postgres://admin:n0t%2Fthis@db.example/postgres', rolePrefix: 'tnc' },
      clusters: [{ id: 'eu-1' }, { id: 'us-1', region: 'us-east-1', dedicated: true, maxLanes: 8, tls: 'verify-full', port: 6432 }],
      migrations: { directory: join(folder, 'migrations'), reference: join(folder, 'migrations/reference') },
      kms: [{ provider: 'local', file: '/var/keys.json', region: 'eu-west-1', allowSoftwareHsm: true }],
      tiers: { pool: { isolation: 'row' } },
    });
    expect(config.secrets).toEqual(['n0t%2Fthis', 'n0t/this']);
    expect(Object.keys(config.clusters[0]!)).toEqual(['id', 'region', 'adminUrl']);
  });

  test('reads JSON too', async () => {
    const { secrets, ...config } = await read(whole);
    expect(await read(JSON.stringify(config), {}, 'tenancy.json')).toEqual({ ...config, secrets });
  });

  test('takes a key manager for each region, and leaves out what is not given', async () => {
    const text = whole.replace(
      /kms: .*/,
      'kms: [{ provider: local, file: a.json, region: eu-west-1 }, { provider: local, file: b.json, region: us-east-1 }]',
    );
    const config = await read(text.replace(/migrations: .*/, ''));
    expect(config.kms).toEqual([
      { provider: 'local', file: join(folder, 'a.json'), region: 'eu-west-1' },
      { provider: 'local', file: join(folder, 'b.json'), region: 'us-east-1' },
    ]);
    expect(Object.keys(config).sort()).toEqual(['catalog', 'clusters', 'kms', 'secrets', 'tiers']);
  });

  test('takes several providers, in one region too, and masks what of them is secret', async () => {
    const kms = `kms:
  - { provider: local, file: a.json, region: eu-west-1 }
  - { provider: aws, region: eu-west-1, customKeyStoreId: cks-1, tags: { team: shop }, attempts: 2,
      credentials: { accessKeyId: AKIA, secretAccessKey: "\${AWS_KEY}", sessionToken: "\${AWS_TOKEN}" } }
  - { provider: gcp, project: shop, location: europe-west3, keyRing: tenants, credentialsFile: gcp.json, rest: true }
  - { provider: azure, vaultUrl: "https://shop.vault.azure.net", region: westeurope, managedHsm: false, deadlineMs: 500 }
  - { provider: pkcs11, module: ./hsm.so, tokenLabel: tenancy, pin: "\${HSM_PIN}", region: eu-west-1 }
  - { provider: pkcs11, module: libhsm.so, slot: 0, pin: "\${HSM_PIN}", region: eu-west-1, name: second-hsm, softwareTokenAsHsm: true }`;
    const secrets = { AWS_KEY: 'secret-of-aws', AWS_TOKEN: 'token-of-aws', HSM_PIN: '2718281828' };
    const config = await read(
      whole.replace(/kms: .*/, () => kms),
      { ...env, ...secrets },
    );
    expect(config.kms).toMatchObject([
      { provider: 'local' },
      {
        provider: 'aws',
        customKeyStoreId: 'cks-1',
        tags: { team: 'shop' },
        attempts: 2,
        credentials: { secretAccessKey: 'secret-of-aws' },
      },
      { provider: 'gcp', location: 'europe-west3', credentialsFile: join(folder, 'gcp.json'), rest: true },
      { provider: 'azure', vaultUrl: 'https://shop.vault.azure.net', managedHsm: false, deadlineMs: 500 },
      { provider: 'pkcs11', module: join(folder, 'hsm.so'), tokenLabel: 'tenancy', pin: '2718281828' },
      { provider: 'pkcs11', module: 'libhsm.so', slot: 0, name: 'second-hsm', softwareTokenAsHsm: true },
    ]);
    expect(config.secrets).toEqual(expect.arrayContaining(Object.values(secrets)));
    expect(
      await refusal(
        whole.replace(/kms: .*/, () => kms),
        env,
      ),
    ).toContain('kms.4.pin: needs the environment variable HSM_PIN');
  });

  test('takes every field that a cluster has', async () => {
    const cluster = {
      id: 'eu-1',
      region: 'eu-west-1',
      adminUrl: 'postgres://admin@db.example:5433/postgres',
      host: 'pooler.example',
      port: 6432,
      rolePrefix: 'shop',
      dedicated: true,
      pooled: true,
      maxLanes: 7,
      tls: 'verify-full',
    } as const satisfies Required<ClusterDefinition>;
    const { clusters } = await read(whole.replace(/clusters:\n.*\n.*\n/, () => `clusters: [${JSON.stringify(cluster)}]\n`));
    expect(clusters).toEqual([cluster]);
  });

  test('refuses two clusters that would share logins, and only those', async () => {
    const two = (second: string) => `
catalog: { adminUrl: "postgres://a@db.example" }
clusters:
  - { id: one, region: r-1, adminUrl: "postgres://a@db.example/postgres" }
  - { id: two, region: r-1, ${second} }
kms: { provider: local, file: k.json, region: r-1 }
`;
    const message = 'clusters.1.rolePrefix: another cluster on this server has this role prefix';
    expect(await refusal(two('adminUrl: "postgres://b@db.example:5432/other"'))).toContain(message);
    expect(await refusal(two('adminUrl: "postgres://b@db.example", rolePrefix: tenancy'))).toContain(message);
    for (const apart of ['adminUrl: "postgres://b@db.example:5433"', 'adminUrl: "postgres://b@db.example", rolePrefix: other'])
      expect((await read(two(apart))).clusters).toHaveLength(2);
    expect((await read(two('adminUrl: "postgres://b@db.example", dedicated: true'))).clusters).toHaveLength(2);
  });

  test('a text that is no YAML is refused without quoting it', async () => {
    for (const text of [
      'catalog: { adminUrl: "postgres://a:hunter2hunter2@h/d }\n',
      'catalog: { adminUrl: postgres://a:hunter2hunter2@h/d, : }\n- hunter2hunter2',
      'catalog:\n  adminUrl: *hunter2hunter2\n',
      'catalog: !hunter2hunter2 1\n  x: @hunter2hunter2\n',
    ])
      expect(await refusal(text)).not.toContain('hunter2');
  });

  test('names every missing variable and never a value', async () => {
    const message = await refusal(whole, { PASSWORD: '' });
    expect(message).toContain('catalog.adminUrl: needs the environment variable PASSWORD, which is not set or empty');
    expect(message).toContain('clusters.1.region: needs the environment variable REGION');
    expect(message).toMatch(/tenancy\.yaml can't be used: 2:22 catalog\.adminUrl/);
  });

  test.each([['${}'], ['${1X}'], ['${A B}'], ['${OPEN']])('%s is no variable', async (text) => {
    expect(await refusal(whole.replace('./migrations,', `'${text}',`))).toContain('migrations.directory: holds a dollar and { without');
  });

  test('$${ stays a plain ${, and a value is not looked into again', async () => {
    expect(
      (
        await read(
          whole.replace('./migrations,', () => "'$${X}/${DIR}',"),
          { ...env, DIR: '${PASSWORD}' },
        )
      ).migrations?.directory,
    ).toBe(join(folder, '${X}/${PASSWORD}'));
  });

  test.each([
    ['catalog:', 'catalogue:', 'catalogue: unknown key; did you mean catalog?'],
    ['rolePrefix: tnc', 'rolePrefix: TOO-LONG-A-PREFIX', 'catalog.rolePrefix: a role prefix'],
    ['id: us-1', 'id: eu-1', 'clusters.1.id: another cluster has this id'],
    ['tls: verify-full', 'tls: prefer', 'clusters.1.tls: '],
    ['port: 6432', 'port: 70000', 'clusters.1.port: '],
    ['postgresql://admin@us.example', 'mysql://root:hunter2hunter2@us.example', 'clusters.1.adminUrl: must be a postgres:// URL'],
    ['postgresql://admin@us.example', 'hunter2hunter2', 'clusters.1.adminUrl: must be a postgres:// URL'],
    ['provider: local', 'provider: vault', 'kms.provider: must be local, aws, gcp, azure or pkcs11'],
    ['file: /var/keys.json', 'fiel: /var/keys.json', 'kms.fiel: unknown key; did you mean file?'],
    ['isolation: row', 'isolation: cell', 'tiers.pool.isolation: '],
    [/kms: .*/, '', 'kms: is required'],
    [/kms: .*/, 'kms: []', 'kms: '],
    [
      /kms: .*/,
      'kms: [{ provider: local, file: a, region: r-1 }, { provider: local, file: b, region: r-1 }]',
      'kms.1.region: another key manager’s keys have this name',
    ],
    [
      /kms: .*/,
      'kms: [{ provider: local, file: a, region: r-1 }, { provider: aws, region: r-2, name: local/r-1 }]',
      'kms.1.name: another key manager’s keys have this name',
    ],
    [/kms: .*/, 'kms: { file: a, region: r-1 }', 'kms.provider: is required'],
    [/kms: .*/, 'kms: [hunter2hunter2]', 'kms.0: must be the options of a key manager'],
    [
      /kms: .*/,
      'kms: { provider: aws, region: r-1, customKeyStoreID: c }',
      'kms.customKeyStoreID: unknown key; did you mean customKeyStoreId?',
    ],
    [/kms: .*/, 'kms: { provider: local, file: a, region: r-1, tokenLabel: t }', 'kms.tokenLabel: unknown key'],
    [
      /kms: .*/,
      'kms: { provider: aws, region: r-1, credentials: { accessKeyId: a, secretaccesskey: hunter2hunter2 } }',
      'kms.credentials.secretaccesskey: unknown key; did you mean secretAccessKey?',
    ],
    [
      /kms: .*/,
      'kms: [{ provider: azure, region: r-1, vaultUrl: "http://shop.vault.azure.net" }]',
      'kms.0.vaultUrl: must be the https URL of a vault',
    ],
    [/kms: .*/, 'kms: { provider: gcp, project: p, location: l, keyRing: k, destroyDays: 121 }', 'kms.destroyDays: '],
    [/kms: .*/, 'kms: { provider: pkcs11, module: m, slot: 0, region: r-1 }', 'kms.pin: is required'],
    [/kms: .*/, 'kms: { provider: pkcs11, module: m, slot: 0, region: r-1, pin: 271828 }', 'kms.pin: '],
    ['reference: ./', 'referenec: ./', 'migrations.referenec: unknown key; did you mean reference?'],
    ['tiers:', 'runtime: { region: eu-west-1 }\ntiers:', 'runtime: unknown key'],
    ['dedicated: true', 'dedicated: yes', 'clusters.1.dedicated: '],
    ['maxLanes: 8', 'maxlanes: 8', 'clusters.1.maxlanes: unknown key; did you mean maxLanes?'],
  ])('%s → %s', async (from, to, message) => {
    const text = await refusal(whole.replace(from, to));
    expect(text).toContain(message);
    expect(text).not.toContain('hunter2');
    expect(text).not.toContain('n0t');
  });
});
