import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CrossTenantAccessError } from '../../../src/errors.ts';
import { createTenancy } from '../../../src/tenancy.ts';
import * as schema from '../../support/shop/schema.ts';
import { products } from '../../support/shop/schema.ts';
import { CliWorld } from './cli-world.ts';
import type { CliEnd } from './installed-cli.ts';

const escapeCode = '\u001b';

describe('the CLI as it is installed, on PostgreSQL', () => {
  let world: CliWorld;
  let serviceCatalogUrl = '';
  beforeAll(async () => {
    world = await CliWorld.open();
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  const run = async (...argv: string[]): Promise<CliEnd> => await world.cli.run(world.with(...argv));
  const json = async (...argv: string[]) => await world.cli.json(world.with(...argv));
  const shared = (): string => `${world.prefix}_shared`;

  test('before init, commands fail with 1 and say what to do', async () => {
    expect(await json('tenant', 'list')).toEqual({
      code: 1,
      result: undefined,
      errors: [expect.objectContaining({ code: 'CATALOG', hint: expect.stringContaining('tenancy init') })],
    });
  });

  test('init makes the platform once; its password is printed only when asked for', async () => {
    const first = await run('init');
    expect(first).toMatchObject({ code: 0, stderr: expect.stringContaining('--show-secrets') });
    expect(first.stdout).toContain('The platform is ready.');
    expect(first.stdout).toMatch(new RegExp(`postgres://${world.prefix}_catalog:\\*\\*\\*@`));
    const second = await json('init');
    expect(second).toMatchObject({
      code: 0,
      errors: [],
      result: { changed: false, clusters: ['us-1', 'us-1-dedicated'], serviceCatalogUrl: expect.stringContaining(':***@') },
    });
    const shown = await json('init', '--show-secrets');
    serviceCatalogUrl = (shown.result as { serviceCatalogUrl: string }).serviceCatalogUrl;
    expect(new URL(serviceCatalogUrl).password.length).toBeGreaterThan(20);
  });

  test('tenant create onboards all three tiers from files, and does nothing the second time', async () => {
    await world.tenantFile('corner-shop', 'standard');
    await world.tenantFile('grand-store', 'premium');
    const document = await readFile(join(import.meta.dirname, '../../fixtures/tenants/tenant-100.yaml'), 'utf8');
    await world.write('tenant-100.yaml', document);
    const files = ['corner-shop.yaml', 'tenant-100.yaml', 'grand-store.yaml'];
    const made = await run('tenant', 'create', ...files, '--actor', 'onboarding');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const { prefix } = world;
    expect(
      made.stdout
        .split('\n')
        .slice(1, -1)
        .map((line) => line.split(/ {2,}/).slice(0, 5)),
    ).toEqual([
      ['corner-shop', 'created', 'us-1', `${prefix}_shared`, 'corner_shop'],
      ['tenant-100', 'created', 'us-1', `${prefix}_tenant_100`, 'tenant_100'],
      ['grand-store', 'created', 'us-1-dedicated', `${prefix}d_grand_store`, 'grand_store'],
    ]);
    expect(await json('tenant', 'create', ...files)).toMatchObject({
      code: 0,
      errors: [],
      result: { tenants: Array(3).fill({ outcome: 'unchanged' }) },
    });
    expect(await json('audit', 'list', '--action', 'tenant', '--outcome', 'completed')).toMatchObject({
      result: {
        entries: [
          { targetTenantId: 'grand-store', actor: 'onboarding' },
          { targetTenantId: 'tenant-100' },
          { targetTenantId: 'corner-shop' },
        ],
      },
    });
  });

  test('tenant create refuses what can’t be placed, and a file with mistakes before anything is made', async () => {
    await world.tenantFile('golden', 'gold');
    expect(await json('tenant', 'create', 'golden.yaml')).toMatchObject({
      code: 2,
      result: { tenants: [{ outcome: 'failed' }] },
      errors: [{ code: 'CONFIGURATION' }],
    });
    await world.tenantFile('lost', 'standard');
    expect(await json('tenant', 'create', 'lost.yaml', '--cluster', 'nowhere')).toMatchObject({ code: 1, errors: [{ tenantId: 'lost' }] });
    await world.tenantFile('typo', 'standard', '  compliance: { data_residncy: [us-east-1] }\n');
    const typo = await json('tenant', 'create', 'lost.yaml', 'typo.yaml');
    expect(typo).toMatchObject({
      code: 2,
      result: undefined,
      errors: [{ code: 'TENANT_CONFIG', issues: [{ path: 'tenant.compliance.data_residncy', line: 6 }] }],
    });
    expect(await json('tenant', 'show', 'lost')).toMatchObject({ code: 1, errors: [{ code: 'UNKNOWN_TENANT', tenantId: 'lost' }] });
  });

  test('tenant update, show and list', async () => {
    await world.tenantFile('corner-shop', 'standard', '  features: { ai_agents: true }\n');
    expect(await run('tenant', 'update', 'corner-shop.yaml')).toEqual({
      code: 0,
      stderr: '',
      stdout: 'The configuration of corner-shop (The corner-shop) was replaced.\n',
    });
    expect((await run('tenant', 'show', 'corner-shop')).stdout).toMatch(/^features\.ai_agents +true$/m);
    expect(await json('tenant', 'show', 'tenant-100')).toMatchObject({
      result: {
        tenant: { name: 'Acme Retail', dataResidency: ['us-east-1', 'us-west-2'], config: { ai: { llm_provider: 'claude' } } },
        placement: { isolation: 'database', epoch: 1 },
      },
    });
    const { result } = await json('tenant', 'list', '--tier', 'standard');
    expect(result).toMatchObject({
      tenants: [{ tenant: { id: 'corner-shop', status: 'active' }, placement: { schemaVersion: '0001_shop' } }],
    });
    expect(await run('tenant', 'list', '--region', 'eu-west-1')).toEqual({ code: 0, stdout: 'No tenants.\n', stderr: '' });
    await world.tenantFile('corner-shop', 'enterprise');
    expect(await json('tenant', 'update', 'corner-shop.yaml')).toMatchObject({
      code: 1,
      errors: [{ code: 'CATALOG', tenantId: 'corner-shop' }],
    });
  });

  test('migrate up ends with 4 while one tenant’s rows break a migration, and heals when they are mended', async () => {
    await world.asSuperuser(
      shared(),
      `insert into corner_shop.products (tenant_id, sku, stock) values ('corner-shop', 'UNTOLD-SKU', -987654321)`,
    );
    await world.migration(
      '0002_counted',
      'alter table products add constraint counted check (stock >= 0);\ncreate index on products (tenant_id, stock);',
    );
    expect((await run('migrate', 'status')).stdout).toMatch(/^corner-shop +0001_shop +0002_counted$/m);

    const stopped = await json('migrate', 'up', '--concurrency', '1');
    expect(stopped).toMatchObject({ code: 4, errors: [{ code: 'MIGRATION', message: '1 of 6 targets failed.' }] });
    const outcomes = (stopped.result as { targets: { target: string; outcome: string }[] }).targets.map(({ target, outcome }) => [
      target,
      outcome,
    ]);
    expect(Object.fromEntries(outcomes)).toMatchObject({ 'corner-shop': 'failed', 'grand-store': 'skipped', 'tenant-100': 'skipped' });

    const failed = await run('migrate', 'up', '--keep-going');
    expect(failed.code).toBe(4);
    expect(failed.stdout).toContain('2 migrated, 3 unchanged, 1 failed, 0 skipped');
    expect(failed.stderr).toMatch(/^error: The migration "0002_counted" of corner-shop failed with 23514/m);
    expect(failed.stdout + failed.stderr).not.toMatch(/UNTOLD|987654321/);
    const [left] = await world.asSuperuser(shared(), `select to_regclass('corner_shop.products_tenant_id_stock_idx') as index`);
    expect(left).toEqual({ index: null });

    await world.asSuperuser(shared(), `update corner_shop.products set stock = 0 where stock < 0`);
    expect(await json('migrate', 'up')).toMatchObject({ code: 0, errors: [] });
    const { result } = await json('migrate', 'status');
    for (const { target, ...state } of (result as { targets: { target: string }[] }).targets) {
      expect(state).toMatchObject({ version: target.endsWith('/reference') ? '0001_currencies' : '0002_counted', pending: [] });
    }
  });

  test('columns takes a plaintext column over, in every tier, by the services’ schema module', async () => {
    await world.migration(
      '0003_adopting',
      `alter table products add column contact text, add column contact_encrypted bytea,
        add constraint products_contact_adopting check (num_nonnulls(contact, contact_encrypted) <= 1);`,
    );
    expect(await json('migrate', 'up')).toMatchObject({ code: 0 });
    await world.asSuperuser(shared(), `update corner_shop.products set contact = 'UNTOLD-CONTACT'`);
    const module = await world.write(
      'schema.mjs',
      `import { encryptedText, tenantTable } from './package/dist/index.js';
      export const products = tenantTable('products', { contact: encryptedText('contact_encrypted', { adopt: { from: 'contact', write: 'encrypted' } }) });`,
    );
    const schema = ['--schema', module];
    expect(await run('columns', 'status')).toMatchObject({ code: 2, stderr: expect.stringContaining('--schema') });
    expect(await run('columns', 'contract', ...schema, '--tenant', 'corner-shop')).toMatchObject({ code: 4 });
    expect(await run('columns', 'status', ...schema)).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/^corner-shop +products\.contact_encrypted +contact, writes encrypted +1 +0 +0 +no$/m),
    });
    const filled = await run('columns', 'backfill', ...schema, '--batch', '10', '--rows', '1000');
    expect(filled).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^corner-shop +products\.contact_encrypted +1 +0 +0 +0 +0 +0$/m),
    });
    expect(await json('columns', 'contract', ...schema)).toMatchObject({ code: 0, errors: [], result: { failed: 0 } });
    const { code, stdout } = await run('columns', 'status', ...schema);
    expect(code).toBe(0);
    expect(stdout.match(/ yes$/gm)).toHaveLength(stdout.trim().split('\n').length - 1);
    const [row] = await world.asSuperuser(shared(), 'select contact, octet_length(contact_encrypted) as length from corner_shop.products');
    expect(row).toEqual({ contact: null, length: 'UNTOLD-CONTACT'.length + 78 });
    expect(world.cli.written.join('')).not.toContain('UNTOLD-CONTACT');
  });

  test('verify ends with 0 while every defence stands and with 3 when one was taken down', async () => {
    const green = await run('verify');
    expect(green).toMatchObject({ code: 0, stderr: '' });
    expect(green.stdout).toMatch(/^No findings\. \d{2,} objects/);
    await world.asSuperuser(shared(), 'alter table corner_shop.products no force row level security');
    const red = await json('verify');
    expect(red).toMatchObject({
      code: 3,
      errors: [],
      result: { ok: false, findings: [{ location: expect.stringContaining('corner_shop.products'), remedy: expect.any(String) }] },
    });
    expect((await run('verify')).code).toBe(3);
    await world.asSuperuser(shared(), 'alter table corner_shop.products force row level security');
    expect((await run('verify')).code).toBe(0);
  });

  test('audit list shows what a service was refused', async () => {
    await using tenancy = await createTenancy({
      catalog: { url: serviceCatalogUrl },
      schema,
      runtime: { region: 'us-east-1' },
      kms: world.kms(),
    });
    await tenancy.run('corner-shop', async () => {
      expect(await tenancy.db.select({ sku: products.sku }).from(products)).toEqual([{ sku: 'UNTOLD-SKU' }]);
      await expect(tenancy.run('tenant-100', () => 1)).rejects.toThrow(CrossTenantAccessError);
    });
    const { code, result, errors } = await json('audit', 'list', '--outcome', 'refused');
    expect({ code, result, errors }).toMatchObject({
      code: 0,
      errors: [],
      result: { entries: [{ action: 'scope.nested', tenantId: 'corner-shop', targetTenantId: 'tenant-100', outcome: 'refused' }] },
    });
    expect((result as { entries: unknown[] }).entries).toHaveLength(1);
    expect((await run('audit', 'list', '--tenant', 'corner-shop', '--outcome', 'refused', '--since', '1h')).stdout).toContain(
      'scope.nested',
    );
    expect((await run('audit', 'list', '--outcome', 'refused', '--until', '1h')).stdout).toBe('No entries.\n');
  });

  test('a configuration that can’t be used ends with 2, names the path and no value', async () => {
    const good = await readFile(join(world.cli.folder, 'config/tenancy.yaml'), 'utf8');
    for (const [name, text, message] of [
      ['unknown', good.replace('dedicated:', 'dedicatd:'), 'clusters.1.dedicatd: unknown key; did you mean dedicated?'],
      ['variable', good.replace('${REGION}', '${NO_SUCH_REGION}'), 'clusters.0.region: needs the environment variable NO_SUCH_REGION'],
      ['url', good.replaceAll('postgres://', 'mysql://'), 'catalog.adminUrl: must be a postgres:// URL'],
      ['broken', good.replace('kms: {', 'kms: ['), 'is not valid YAML'],
    ] as const) {
      await world.write(`config/${name}.yaml`, text);
      const { code, result, errors } = await world.cli.json(['verify', '-c', `config/${name}.yaml`]);
      expect({ code, result, errors }).toEqual({
        code: 2,
        result: undefined,
        errors: [expect.objectContaining({ code: 'CONFIGURATION', message: expect.stringContaining(message) })],
      });
    }
    expect(await json('tenant', 'list', '--teir', 'standard')).toMatchObject({ code: 2, result: undefined, errors: [{ code: 'USAGE' }] });
    expect((await world.cli.run(['verify'])).stderr).toContain('tenancy.yaml');
    expect((await world.cli.run(['tenant', 'list'], { env: { TENANCY_CONFIG: 'config/tenancy.yaml' } })).code).toBe(0);
  });

  test('a wrong password ends with 1, and the password is not printed', async () => {
    const wrong = await world.cli.run(world.with('tenant', 'list'), { env: { ADMIN_PASSWORD: 'Wr0ng%2Fw0rd' } });
    expect(wrong).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('28P01') });
    expect(wrong.stderr).not.toMatch(/Wr0ng/);
  });

  test('colours are for terminals whose owner did not say NO_COLOR', async () => {
    const argv = world.with('migrate', 'status');
    expect((await world.cli.run(argv, { terminal: true })).stdout).toContain(escapeCode);
    for (const end of [await world.cli.run(argv, { terminal: true, env: { NO_COLOR: '1' } }), await world.cli.run(argv)]) {
      expect(end).toMatchObject({ code: 0, stdout: expect.not.stringContaining(escapeCode) });
    }
  });

  test('nothing that was printed holds a password or a key', async () => {
    const secrets = await world.secrets();
    // Administrator twice; catalog, shared and two dedicated databases with an owner each, three of them with a service login; keys.
    expect(secrets.length).toBeGreaterThanOrEqual(2 + 4 + 3 + 3);
    expect(secrets).toContain(new URL(serviceCatalogUrl).password);
    const all = world.cli.written.join('\n');
    expect(all.length).toBeGreaterThan(10_000);
    expect(secrets.filter((secret) => all.includes(secret))).toEqual([]);
    expect(all).not.toMatch(/v1:k1:/);
  });
});
