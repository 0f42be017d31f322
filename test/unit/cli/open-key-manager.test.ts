import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type KeyManagerConfig, keyManagerName } from '../../../src/cli/key-manager-config.ts';
import { openKeyManager } from '../../../src/cli/open-key-manager.ts';
import { ConfigurationError } from '../../../src/errors.ts';

const root = join(import.meta.dirname, '../../..');

/** What is loaded for Azure where @azure/identity is there: its one class that is used. */
const identity = async (name: string): Promise<unknown> =>
  name === '@azure/identity'
    ? {
        DefaultAzureCredential: class {
          getToken = async (): Promise<null> => null;
        },
      }
    : expect.unreachable(name);

const configs = {
  local: { provider: 'local', file: '/no/such/keys.json', region: 'eu-1', allowSoftwareHsm: true },
  aws: { provider: 'aws', region: 'eu-1', customKeyStoreId: 'cks-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' }, attempts: 2 },
  gcp: { provider: 'gcp', project: 'shop', location: 'eu-1', keyRing: 'tenants', credentialsFile: '/no/such.json', rest: true },
  azure: { provider: 'azure', vaultUrl: 'https://shop.vault.azure.net', region: 'eu-1' },
  pkcs11: { provider: 'pkcs11', module: '/no/such.so', slot: 0, pin: '271828', region: 'eu-1', softwareTokenAsHsm: true },
} as const satisfies Record<KeyManagerConfig['provider'], KeyManagerConfig>;

describe('openKeyManager', () => {
  test.each(Object.entries(configs))('opens one of %s, under the name that the configuration gives it', async (kind, config) => {
    for (const kms of [config, { ...config, name: 'one/of-two' }] satisfies KeyManagerConfig[]) {
      const manager = await openKeyManager(kms, identity);
      expect(manager).toMatchObject({ provider: keyManagerName(kms), region: 'eu-1' });
      expect(manager.hsmKeys).toBe(kind === 'local' || kind === 'pkcs11' ? 'stand-in' : 'hsm');
      await manager.close();
    }
    expect(keyManagerName(config)).toBe(kind === 'azure' ? 'azure/shop.vault.azure.net' : `${kind}/eu-1`);
  });

  test('gives its options to the adapter', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'open-key-manager-'));
    try {
      const file = join(folder, 'keys.json');
      const manager = await openKeyManager({ ...configs.local, file });
      await manager.createKey({ tenantId: 'tenant-100', protection: 'hsm' });
      expect(existsSync(file)).toBe(true);
      await manager.close();
    } finally {
      await rm(folder, { recursive: true });
    }
    await expect(openKeyManager({ ...configs.pkcs11, tokenLabel: 'too' })).rejects.toThrow(ConfigurationError);
  });

  test('says what to install where @azure/identity is not there', () => {
    // In a process of its own: the test runner resolves packages in another way.
    const script = `const { openKeyManager } = await import('./src/cli/open-key-manager.ts');
      await openKeyManager(${JSON.stringify(configs.azure)}).catch(({ name, hint }) => console.log(JSON.stringify({ name, hint })));`;
    const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
      cwd: root,
      encoding: 'utf8',
    });
    expect(JSON.parse(stdout)).toEqual({ name: 'ConfigurationError', hint: 'Install it with: npm install @azure/identity' });
  });
});

/** What a process imports that runs this script: every specifier, from a loader that writes them down. */
function imports(script: string): readonly string[] {
  const loader = `import { writeSync } from 'node:fs';
    export const resolve = (name, context, next) => { writeSync(2, 'imports ' + name + '\\n'); return next(name, context); };`;
  const register = `import { register } from 'node:module'; register(${JSON.stringify(dataUrl(loader))});`;
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--import', dataUrl(register), '--input-type=module', '--eval', script],
    { cwd: root, encoding: 'utf8', env: { PATH: process.env['PATH'] } },
  );
  expect(status, stderr).toBe(0);
  return [...stderr.matchAll(/^imports (.+)$/gm)].map(([, name]) => name!);
}

const dataUrl = (text: string): string => `data:text/javascript,${encodeURIComponent(text)}`;
const sdks = /^(@aws-sdk|@azure|@google-cloud|pkcs11js)/;
const adapters = /kms\/(aws|azure|gcp|local|pkcs11)\.ts$/;

test('the CLI starts without an adapter or an SDK, and an adapter is opened without its SDK', () => {
  const started = imports(`process.argv.push('tenancy', '--version'); await import('./src/cli/main.ts');`);
  expect(started).toEqual(expect.arrayContaining(['./run-cli.ts', 'zod']));
  expect(started.filter((name) => sdks.test(name) || adapters.test(name))).toEqual([]);

  const opened = imports(`const { openKeyManager } = await import('./src/cli/open-key-manager.ts');
    for (const kms of ${JSON.stringify([configs.aws, configs.gcp, configs.pkcs11])}) await openKeyManager(kms);`);
  expect(opened.filter((name) => adapters.test(name))).toEqual(['../kms/aws.ts', '../kms/gcp.ts', '../kms/pkcs11.ts']);
  expect(opened.filter((name) => sdks.test(name))).toEqual([]);
  // The positive control: a loaded SDK is seen.
  expect(imports(`await import('@aws-sdk/client-kms');`).filter((name) => sdks.test(name))).toContain('@aws-sdk/client-kms');
});
