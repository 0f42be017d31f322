import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createControlPlane } from '../../../src/control.ts';
import { localKeyManager } from '../../../src/kms/local.ts';
import { adminClient, adminUrl, uniquePrefix } from '../../support/server.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The service of the README in a process of its own, with the package as it is built: what its users run. */
describe('examples/service', () => {
  const rolePrefix = uniquePrefix();
  let folder: string;
  let catalogUrl: string;
  const keyFile = (): string => join(folder, 'keys.json');
  const kms = () => localKeyManager({ file: keyFile(), region: 'us-east-1' });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenancy-service-'));
    await using control = await createControlPlane({
      catalog: { adminUrl: adminUrl(), rolePrefix },
      clusters: [{ id: 'us-1', region: 'us-east-1', adminUrl: adminUrl(), rolePrefix }],
      migrations: { directory: join(root, 'examples/service/migrations') },
      kms: kms(),
    });
    catalogUrl = (await control.init()).serviceCatalogUrl;
    await control.provision({ id: 'acme', name: 'Acme', tier: 'standard', region: 'us-east-1' });
  });
  afterAll(async () => {
    const admin = adminClient();
    for (const name of ['shared', 'catalog']) await admin.unsafe(`drop database if exists "${rolePrefix}_${name}" with (force)`);
    for (const name of ['app', 'owner', 'catalog']) await admin.unsafe(`drop role if exists "${rolePrefix}_${name}"`);
    await admin.end();
    await rm(folder, { recursive: true, force: true });
  });

  const service = async (environment: Readonly<Record<string, string>>) =>
    await run(process.execPath, ['--import', 'tsx', 'examples/service/service.ts'], {
      cwd: root,
      env: { ...process.env, ...environment },
      timeout: 50_000,
    });

  test('sells one lamp, reads the secret back, and ends by itself', async () => {
    const { stdout, stderr } = await service({ TENANCY_CATALOG_URL: catalogUrl, TENANCY_KEY_FILE: keyFile() });
    expect(stdout).toBe('9 DE89370400440532013000\n');
    expect(stderr).toBe('');
  });

  test('PostgreSQL holds the tenant’s row, and of the secret only ciphertext', async () => {
    const admin = adminClient(`${rolePrefix}_shared`);
    const rows = await admin<
      { tenant_id: string; stock: number; supplier_iban: Buffer }[]
    >`select tenant_id, stock, supplier_iban from acme.products`;
    await admin.end();
    expect(rows.map(({ tenant_id, stock }) => [tenant_id, stock])).toEqual([['acme', 9]]);
    expect(rows[0]!.supplier_iban[0]).toBe(0xe1);
    expect(rows[0]!.supplier_iban.includes('DE8937')).toBe(false);
  });

  test('with another key file the service fails and says why', async () => {
    const failure = await service({ TENANCY_CATALOG_URL: catalogUrl, TENANCY_KEY_FILE: join(folder, 'absent.json') }).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: 1, stderr: expect.stringContaining('KeyManagerError') });
  });
});
