import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { deriveContextKey } from '../../src/crypto/context-key.ts';
import { dataKeyFrom } from '../../src/crypto/data-key.ts';
import { LocalTenantKeys } from '../../src/crypto/local-tenant-keys.ts';
import { createTestPlatform, type TestPlatform } from '../../src/testing/test-platform.ts';
import * as schema from '../support/secrets/canary-schema.ts';
import { chainKeyBytes, kekBytes, keyFileOf, tenantKeyBytes } from '../support/secrets/known-keys.ts';
import { memoryIsReadable, searchMemory } from '../support/secrets/search-memory.ts';
import { formsIn, secretForms } from '../support/secrets/secret-forms.ts';
import { adminUrl } from '../support/server.ts';
import type { MemoryWork } from './fixtures/keys-in-memory.ts';

const email = 'ada@example.org';
let platform: TestPlatform<{ people: typeof schema.people }>;
let folder: string;
let work: MemoryWork;
let seen: Awaited<ReturnType<typeof observe>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-memory-'));
  await writeFile(join(folder, '0001_people.sql'), schema.canaryTables);
  platform = await createTestPlatform({
    adminUrl: adminUrl(),
    schema: { people: schema.people },
    migrations: { directory: folder },
    tenants: [{ id: 'acme', tier: 'enterprise' }],
  });
  await platform.tenancy.run('acme', () => platform.tenancy.db.insert(schema.people).values({ id: 1, email }));
  const files = platform.keyManagers().map((manager) => ({ file: keyFileOf(manager), region: manager.region }));
  work = { url: platform.serviceCatalogUrl, region: 'us-east-1', files, tenant: 'acme', email };
  seen = await observe();
}, 300_000);
afterAll(async () => {
  await platform?.close();
  await rm(folder, { recursive: true, force: true });
});

/** A service in a process of its own, so that what this one knows of its keys is no copy. */
function service() {
  const fixture = join(import.meta.dirname, 'fixtures/keys-in-memory.ts');
  const child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', fixture], {
    env: { ...process.env, MEMORY_WORK: JSON.stringify(work) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const said = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const hears = async (state: string): Promise<void> => {
    const { value } = (await said.next()) as { value: string | undefined };
    if (value !== state) throw new Error(`The service said ${value} where ${state} was to come.`);
  };
  return {
    pid: child.pid!,
    hears,
    goOn: () => child.stdin.write('go on\n'),
    snapshot: async (file: string): Promise<Buffer> => {
      child.stdin.write(`${file}\n`);
      await hears('written');
      return await readFile(file);
    },
    end: async (): Promise<void> => {
      child.stdin.end();
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    },
  };
}

/** Every key that the service has when it is open, as bytes; KEKs of every version in its key file. */
async function heldKeys(): Promise<ReadonlyMap<string, Buffer>> {
  const { data, index, master } = await tenantKeyBytes(platform, 'acme');
  const { clusterId, database } = (await platform.control.tenant('acme')).placement!;
  const keys = new LocalTenantKeys({
    tenantId: 'acme',
    currentVersion: 1,
    dataKeys: new Map([[1, dataKeyFrom(Buffer.from(data))]]),
    indexSecret: dataKeyFrom(Buffer.from(index)),
  });
  return new Map([
    ['the data key', data],
    ['the blind-index secret', index],
    ['the index key of people.email', keys.indexKey('people', 'email').export()],
    ['the context master', master.bytes],
    ['the context key', deriveContextKey(dataKeyFrom(Buffer.from(master.bytes)), { keyId: master.keyId, clusterId, database }).export()],
    // The service began its chain last.
    ['the key of its audit chain', (await chainKeyBytes(platform)).at(-1)!],
    ...(await kekBytes(work.files[0]!.file)),
  ]);
}

interface Seen {
  readonly memory: readonly string[];
  readonly snapshot: readonly string[];
}

/** What is found of the keys while the service is open, and after it has closed and its memory was collected. */
async function observe() {
  const process_ = service();
  const control = secretForms('control', email).filter(({ name }) => name === 'control as text');
  try {
    await process_.hears('open');
    const keys = await heldKeys();
    const forms = [...[...keys].flatMap(([name, bytes]) => secretForms(name, bytes)), ...control];
    const look = async (file: string): Promise<Seen> => ({
      memory: memoryIsReadable ? searchMemory(process_.pid, forms) : [],
      snapshot: formsIn(await process_.snapshot(join(folder, file)), forms),
    });
    const open = await look('open.heapsnapshot');
    process_.goOn();
    await process_.hears('closed');
    return { names: [...keys.keys()], open, closed: await look('closed.heapsnapshot') };
  } finally {
    await process_.end();
  }
}

test.skipIf(!memoryIsReadable)('memory (where /proc shows it): keys as bytes, never as text; after close none of them', () => {
  // The platform's KEK, the tenant's own, and two versions of one that the service made.
  expect(seen.names).toHaveLength(6 + 4);
  expect([...seen.open.memory].sort()).toEqual([...seen.names.map((name) => `${name} as bytes`), 'control as text'].sort());
  expect(seen.closed.memory).toEqual(['control as text']);
});

test('a heap snapshot holds no key, neither while the service is open nor after close', () => {
  expect(seen.open.snapshot).toEqual(['control as text']);
  expect(seen.closed.snapshot).toEqual(['control as text']);
});
