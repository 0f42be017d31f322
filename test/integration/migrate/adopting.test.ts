import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createControlPlane } from '../../../src/control.ts';
import type { ScopedPgDatabase } from '../../../src/database/scoped-database.ts';
import { createTestPlatform, type TestPlatform } from '../../../src/testing/test-platform.ts';
import { patientsThat } from '../../support/drizzle-kit/adopting.ts';
import { patients as before } from '../../support/drizzle-kit/before-adopting.ts';
import { adminUrl } from '../../support/server.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const tenants = [
  { id: 'acme', tier: 'standard' },
  { id: 'globex', tier: 'premium' },
] as const;

/** The tables of each release, in the order of its roll-out. */
const releases = {
  before: { patients: before },
  reading: { patients: patientsThat('plaintext') },
  encrypting: { patients: patientsThat('encrypted') },
  after: { patients: patientsThat(undefined) },
};
const row = {
  note: 'left-handed, ß',
  weight: 71.25,
  seen: new Date('1987-06-05T04:03:02.001Z'),
  file: { city: 'Köln' },
  email: 'ada@example.org',
};

/** drizzle-kit compares a release's tables with those of the one before, whose snapshot it kept; it finds that by a relative path only. */
async function generate(folder: string, release: string): Promise<string> {
  const args = ['generate', '--dialect', 'postgresql', '--schema', `test/support/drizzle-kit/${release}.ts`];
  await promisify(execFile)(process.execPath, ['node_modules/drizzle-kit/bin.cjs', ...args, '--out', relative(root, folder)], {
    cwd: root,
  });
  const newest = (await readdir(folder))
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .at(-1)!;
  return await readFile(join(folder, newest), 'utf8');
}

describe('plaintext columns taken over, release by release, with the migrations that drizzle-kit writes', () => {
  let folder: string;
  let platform: TestPlatform<typeof releases.before>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tenancy-adopting-'));
    await generate(folder, 'before-adopting');
    platform = await createTestPlatform({
      schema: releases.before,
      adminUrl: adminUrl(),
      migrations: { directory: folder },
      tenants: [...tenants],
    });
  });
  afterAll(async () => {
    await platform?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const eachTenant = async (work: (id: string) => Promise<void>): Promise<void> => {
    for (const { id } of tenants) await work(id);
  };

  /** A control plane loads its migrations once: each release has its own. */
  const migrate = async (): Promise<void> => {
    await using control = await createControlPlane({ ...platform.controlOptions, kms: platform.keyManagers() });
    expect(await control.migrate()).toMatchObject({ failed: 0 });
  };

  test('expand: old and new releases run beside each other', async () => {
    await eachTenant(async (id) => {
      await platform.tenancy.run(id, async () => await platform.tenancy.db.insert(before).values({ id: 1, ...row }));
    });
    expect(await generate(folder, 'adopting')).toContain('CHECK (num_nonnulls("note", "note_encrypted") = 1)');
    await migrate();
    const { patients } = releases.reading;
    await using reading = await platform.open({ schema: releases.reading } as never);
    await eachTenant(async (id) => {
      const first = { id: 1, ...row };
      const second = { id: 2, ...row, note: 'second' };
      await reading.run(id, async () => {
        const db = reading.db as never as ScopedPgDatabase<typeof releases.reading>;
        await db.insert(patients).values(second);
      });
      await platform.tenancy.run(id, async () => {
        expect(await platform.tenancy.db.query.patients.findMany({ orderBy: before.id, columns: { tenantId: false } })).toEqual([
          first,
          second,
        ]);
      });
    });
  });

  test('encrypt and backfill: every value comes back as it was, and none is left', async () => {
    const { patients } = releases.encrypting;
    await using encrypting = await platform.open({ schema: releases.encrypting } as never);
    const db = encrypting.db as never as ScopedPgDatabase<typeof releases.encrypting>;
    await eachTenant(async (id) => {
      await encrypting.run(id, async () => {
        await db.insert(patients).values({ id: 3, ...row, note: 'third' });
        expect((await db.select({ note: patients.note }).from(patients).orderBy(patients.id)).map(({ note }) => note)).toEqual([
          row.note,
          'second',
          'third',
        ]);
      });
    });
    const { done } = await platform.control.columns.backfill({ schema: releases.encrypting, actor: 'test' });
    expect(done).toBe(true);
    await platform.control.columns.contract({ schema: releases.encrypting, actor: 'test' });
    await eachTenant(async (id) => {
      await encrypting.run(id, async () => {
        expect(await db.select({ id: patients.id }).from(patients).where(eq(patients.email, row.email)).orderBy(patients.id)).toEqual([
          { id: 1 },
          { id: 2 },
          { id: 3 },
        ]);
      });
    });
  });

  test('drop: the last release reads what all others wrote', async () => {
    expect(await generate(folder, 'after-adopting')).toContain('DROP COLUMN "note"');
    await migrate();
    const { patients } = releases.after;
    await using after = await platform.open({ schema: releases.after } as never);
    const db = after.db as never as ScopedPgDatabase<typeof releases.after>;
    await eachTenant(async (id) => {
      await after.run(id, async () => {
        expect(await db.select().from(patients).orderBy(patients.id)).toEqual([
          { tenantId: id, id: 1, ...row },
          { tenantId: id, id: 2, ...row, note: 'second' },
          { tenantId: id, id: 3, ...row, note: 'third' },
        ]);
        expect(await db.execute(sql`select 1 from ${patients} where note_encrypted is null`)).toHaveLength(0);
      });
    });
    expect((await platform.control.verify()).findings).toEqual([]);
  });
});
