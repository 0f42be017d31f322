import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseOptions } from '../../../examples/retail/quickstart/options.ts';
import { UsageError } from '../../../examples/retail/quickstart/usage-error.ts';
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

  it('leaves no process and no file', async () => {
    expect(await run.leftovers()).toEqual([]);
  });
});

describe('with data of one’s own', () => {
  const header = 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country';
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
