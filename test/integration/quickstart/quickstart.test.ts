import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseOptions } from '../../../examples/retail/quickstart/options.ts';
import { UsageError } from '../../../examples/retail/quickstart/usage-error.ts';
import { softHsm } from '../../support/kms/pkcs11/softhsm.ts';
import { QuickstartRun } from './quickstart-run.ts';

const attempts = {
  'no tenant: a query': 'scope.none',
  'no tenant: raw SQL': 'scope.none',
  'no tenant: made in a scope, awaited outside': 'scope.none',
  "another tenant's id in a where": 'query.foreign-tenant-id',
  "another tenant's id in a join": 'query.foreign-tenant-id',
  "another tenant's id in an insert": 'query.foreign-tenant-id',
  "another tenant's id in an update": 'query.foreign-tenant-id',
  "another tenant's id in a delete": 'query.foreign-tenant-id',
  "raw SQL: reading another tenant's schema": 'query.policy',
  "raw SQL: joining another tenant's schema": 'query.policy',
  "raw SQL: inserting into another tenant's schema": 'query.policy',
  "raw SQL: updating another tenant's schema": 'query.policy',
  "raw SQL: deleting from another tenant's schema": 'query.policy',
  "raw SQL: another tenant's id in one's own table": 'query.policy',
  'raw SQL: becoming the owner': 'query.policy',
  'raw SQL: reading the keys that sign contexts': 'query.policy',
  'raw SQL: changing reference rows': 'query.policy',
  "raw SQL: a temporary table in another's way": 'query.policy',
  'forged setting: own token, other tenant in it': 'query.policy',
  'forged setting: own token, valid for longer': 'query.policy',
  'forged setting: a made-up signature': 'query.policy',
  "forged setting: the other tenant's name alone": 'query.policy',
  "forged setting: the other's token, replayed": 'query.policy',
  "a builder carried into another tenant's scope": 'scope.wrong-tenant',
  "another tenant's scope inside one's own": 'scope.nested',
  'a service in a region that is not allowed': 'residency',
  'a service whose login is superuser': 'login',
  'a suspended tenant': 'scope.inactive',
} as const;

const uuid = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}';

const header = 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country';
const installed = softHsm();

/** By tier, the kind of provider and the owner of a retailer's KEK, as the table of secrets shows them. */
function keksIn({ output }: QuickstartRun): Readonly<Record<string, string>> {
  const rows = output.matchAll(/^ {2}[a-z-]+ +(standard|enterprise|premium) +([a-z0-9]+)\/[a-z0-9-]+ (\([^)]+\)) +NEW-TODAY .* OK$/gm);
  return Object.fromEntries([...rows].map(([, tier, provider, owner]) => [tier, `${provider} ${owner}`]));
}

/** A folder with a link to every program of the PATH but one. */
async function pathWithout(program: string, folder: string): Promise<string> {
  await mkdir(folder);
  for (const from of process.env['PATH']!.split(delimiter)) {
    for (const name of await readdir(from).catch(() => []))
      if (name !== program) await symlink(join(from, name), join(folder, name)).catch(() => {}); // The first of a name counts.
  }
  return folder;
}

describe('with the sample', () => {
  let run: QuickstartRun;
  let code: number | null;
  beforeAll(async () => {
    run = await QuickstartRun.start();
    code = await run.exit();
  });
  afterAll(async () => await run[Symbol.asyncDispose]());

  it('finds everything right', () => {
    expect(code, run.output).toBe(0);
    expect(run.output).toContain('All is right');
    expect(run.output).not.toMatch(/\b(?:OFF|LEAK)\b/);
  });

  it.each(Object.entries(attempts))('refuses and audits %s', (name, action) => {
    const line = run.output.split('\n').filter((text) => text.startsWith(`  ${name}  `) || text.startsWith(`  ${name} refused`));
    expect(line, run.output).toHaveLength(1);
    expect(line[0]!.slice(name.length + 2)).toMatch(new RegExp(`^ +refused +${uuid} ${action.replaceAll('.', '\\.')}`));
  });

  it('makes no attempt that is not expected here', () => {
    expect(run.output.match(new RegExp(`refused +${uuid}`, 'g'))).toHaveLength(Object.keys(attempts).length);
  });

  it('counts what the files hold, for every retailer of three tiers', () => {
    const rows = [...run.output.matchAll(/^ {2}([a-z-]+) +(standard|enterprise|premium) +\S+\/\S+ .* (OK|OFF)$/gm)];
    expect(new Set(rows.map(([, , tier]) => tier))).toEqual(new Set(['standard', 'enterprise', 'premium']));
    expect(rows.length).toBeGreaterThanOrEqual(6);
    expect(rows.map(([, , , verdict]) => verdict)).toEqual(rows.map(() => 'OK'));
    expect(run.output).toContain('  0 lines were new');
  });

  it('reports unusable lines by file and line', () => {
    expect(run.output).toContain('2025-03-03.csv:179 left out: has no StockCode');
  });

  it('shows ciphertext to the database and the account to its retailer', () => {
    const rows = [...run.output.matchAll(/NEW-TODAY +\\x([0-9a-f]{32})… \(\d+ bytes\) +(DE\d{20}) +OK/g)];
    expect(rows).toHaveLength(3);
    expect(new Set(rows.map(([, bytes]) => bytes)).size).toBe(3);
  });

  it("keeps each tier's KEKs where they belong", () => {
    expect(keksIn(run)).toMatchObject({ standard: 'local (the platform)', enterprise: 'local (france)' });
  });

  it.skipIf(installed === undefined)(`keeps a premium KEK in a token of SoftHSM ${installed?.version ?? '(not installed)'}`, () => {
    expect(keksIn(run)).toHaveProperty('premium', 'pkcs11 (united-kingdom)');
    expect(run.output).toContain(`premium retailers' KEKs are in a PKCS #11 token (SoftHSM ${installed?.version})`);
  });

  it('leaves no process and no file', async () => {
    expect(await run.leftovers()).toEqual([]);
  });
});

it('without softhsm2-util on the PATH, premium KEKs are in a key file and it says so', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'quickstart-path-'));
  try {
    await writeFile(join(folder, 'one.csv'), `${header}\n1,A1,LAMP,2,2025-01-02 10:00:00,2.50,7,United Kingdom\n`);
    const PATH = await pathWithout('softhsm2-util', join(folder, 'bin'));
    await using run = await QuickstartRun.start(['--data', join(folder, 'one.csv')], undefined, { PATH });
    expect(await run.exit(), run.output).toBe(0);
    expect(run.output).toContain("premium retailers' KEKs are in the key file, since softhsm2-util is not on the PATH");
    expect(keksIn(run)).toMatchObject({ premium: 'local (united-kingdom)' });
    expect(await run.leftovers()).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe('with data of one’s own', () => {
  let data: string;
  beforeAll(async () => {
    data = await mkdtemp(join(tmpdir(), 'quickstart-data-'));
  });
  afterAll(async () => await rm(data, { recursive: true }));

  it('reports broken lines by file and line, imports the rest, and onboards a country that has no file', async () => {
    const lines = [
      header,
      '1,A1,LAMP,2,2025-01-02 10:00:00,2.50,7,Spain',
      '1,A2,CHAIR,two,2025-01-02 10:00:00,1.00,7,Spain',
      '1,A1,LAMP,2,2025-01-02 10:00:00,2.50,7,Spain',
      'C2,A1,LAMP,-1,2025-01-03 10:00:00,2.50,,Spain',
      '3,A3,"TABLE, ROUND",1,2025-13-03 10:00:00,9.99,,Spain',
      '4,A3,"TABLE, ROUND",3,1/3/2025 10:00,9.99,8,Malta',
      '5,A3,"never closed,3,1/3/2025 10:00,9.99,8,Malta',
    ];
    await mkdir(join(data, 'broken'));
    await writeFile(join(data, 'broken', 'a.csv'), `${lines.join('\n')}\n`);
    // The same lines again, under another name: they count once.
    await writeFile(join(data, 'broken', 'b.csv'), `${[header, ...lines.slice(6, 7)].join('\n')}\n`);
    await using run = await QuickstartRun.start(['--data', join(data, 'broken')]);
    expect(await run.exit(), run.output).toBe(0);
    expect(run.output).toContain('a.csv:3 left out: has the Quantity "two"');
    expect(run.output).toContain('a.csv:6 left out: has the InvoiceDate "2025-13-03 10:00:00"');
    expect(run.output).toContain('a.csv:8 left out: a quote is not closed');
    expect(run.output).toContain('4 kept, 1 repeated between files, 3 unusable');
    expect(run.output).toMatch(/^ {2}spain +standard +\S+ +2 +3 +1 +3 +7\.5000 +OK$/m);
    expect(run.output).toMatch(/^ {2}malta +standard +\S+ +1 +1 +1 +3 +29\.9700 +OK$/m);
    expect(await run.leftovers()).toEqual([]);
  });

  it('refuses a directory without files, before anything is started', async () => {
    await mkdir(join(data, 'empty'));
    await using run = await QuickstartRun.start(['--data', join(data, 'empty')]);
    expect(await run.exit(), run.output).toBe(2);
    expect(run.output).toContain('holds no .csv file');
    expect(run.output).toContain('Usage: npm run quickstart');
    expect(run.output).not.toContain('PostgreSQL');
    expect(await run.leftovers()).toEqual([]);
  });

  it('refuses files without a usable line', async () => {
    await writeFile(join(data, 'other.csv'), 'name,price\nlamp,1\n');
    await using run = await QuickstartRun.start(['--data', join(data, 'other.csv')]);
    expect(await run.exit(), run.output).toBe(2);
    expect(run.output).toContain('other.csv:1 the file was left out: its header is not InvoiceNo');
    expect(await run.leftovers()).toEqual([]);
  });

  it.each([
    ['a directory that is not there', ['--data', 'no-such-directory'], 'it does not exist'],
    ['an option that it does not have', ['--date', '.'], "Unknown option '--date'."],
    ['an option without its value', ['--data'], 'argument missing'],
    ['an empty name', ['--data', ''], '--data needs the name'],
    ['what npm took the hyphens from', ['somewhere'], 'npm run quickstart -- --data DIR'],
  ])('refuses %s', async (_, args, message) => {
    const error = await parseOptions(args).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toContain(message);
  });
});
