import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PolicyViolationError } from '../../src/errors.ts';
import { withClient } from '../../src/provision/admin-client.ts';
import { createTestPlatform, type TestPlatform } from '../../src/testing/test-platform.ts';
import { adminUrl } from '../support/server.ts';

/** A sequence counts the rows that a tenant made, and the service login is the same for all tenants of a database. */
describe('the sequence behind another tenant’s identity column', () => {
  let platform: TestPlatform<Record<string, never>>;
  let folder: string;
  let database: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenancy-sequence-'));
    await writeFile(
      join(folder, '0001_invoices.sql'),
      'create table invoices (tenant_id text not null, no bigint generated always as identity, primary key (tenant_id, no));',
    );
    const tenants = [
      { id: 'acme', tier: 'standard' },
      { id: 'globex', tier: 'standard' },
    ];
    platform = await createTestPlatform({ schema: {}, adminUrl: adminUrl(), migrations: { directory: folder }, tenants });
    database = (await platform.control.tenant('acme')).placement!.database;
    await platform.tenancy.run(
      'acme',
      () => platform.tenancy.sql`insert into invoices (tenant_id) select 'acme' from generate_series(1, 41)`,
    );
  });
  afterAll(async () => {
    await platform?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const look = () =>
    platform.tenancy.run(
      'globex',
      () => platform.tenancy.sql`select last_value::int as n from pg_sequences where schemaname = 'acme' and last_value is not null`,
    );
  const move = () => platform.tenancy.run('globex', () => platform.tenancy.sql`select nextval('acme.invoices_no_seq')`);

  test('tells nothing and can’t be moved', async () => {
    expect(await look()).toEqual([]);
    await expect(move()).rejects.toBeInstanceOf(PolicyViolationError);
  });

  test('its own tenant’s inserts need no grant', async () => {
    expect(
      await platform.tenancy.run('acme', () => platform.tenancy.sql`insert into invoices (tenant_id) values ('acme') returning no::int`),
    ).toEqual([{ no: 42 }]);
  });

  test('control: with a grant it tells how many rows the other has made, and is moved; verify reports the grant', async () => {
    await withClient(adminUrl(database), (admin) =>
      admin.unsafe(`grant usage on sequence acme.invoices_no_seq to "${platform.rolePrefix}_app"`),
    );
    expect(await look()).toEqual([{ n: 42 }]);
    expect((await move()).length).toBe(1);
    expect((await platform.control.verify()).findings.map(({ id }) => id)).toContain('grant-excess');
  });
});
