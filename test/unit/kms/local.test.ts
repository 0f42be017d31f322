import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AbortedError, ConfigurationError, InvalidTenantIdError, KeyManagerError } from '../../../src/errors.ts';
import type { KeyContext } from '../../../src/kms/key-manager.ts';
import { localKeyManager } from '../../../src/kms/local.ts';

const context: KeyContext = { tenantId: 'tenant-100', purpose: 'data' };
const software = { tenantId: 'tenant-100', protection: 'software' } as const;
let folder: string;
let file: string;
const open = (options = {}) => localKeyManager({ file, region: 'eu-central-1', ...options });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-local-'));
  file = join(folder, 'deeper', 'keys.json');
});
afterEach(async () => {
  vi.useRealTimers();
  await rm(folder, { recursive: true, force: true });
});

describe('localKeyManager', () => {
  it('makes its file with the first key, for its user only, and leaves nothing else behind', async () => {
    const kms = open();
    await expect(kms.describe('none')).rejects.toMatchObject({ reason: 'notFound' });
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
    await kms.createKey(software);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, 'deeper'))).mode & 0o777).toBe(0o700);
    expect(await readdir(join(folder, 'deeper'))).toEqual(['keys.json']);
  });

  it.each([0o640, 0o604, 0o660])('refuses a file with mode %o', async (mode) => {
    const kms = open();
    const ref = await kms.createKey(software);
    await chmod(file, mode);
    await expect(kms.generateDataKey(ref, context)).rejects.toMatchObject({
      reason: 'denied',
      message: expect.stringContaining('mode 600'),
    });
    await expect(kms.createKey(software)).rejects.toMatchObject({ reason: 'denied' });
    await chmod(file, 0o600);
    await kms.generateDataKey(ref, context);
  });

  it.each(['', '{', '{"format":"other","keys":[]}', '{"format":"tenancy.local-keys.v1","keys":[{"id":"x"}]}'])(
    'refuses a damaged file and keeps it (%s)',
    async (text) => {
      const kms = open();
      const ref = await kms.createKey(software);
      await writeFile(file, text);
      for (const work of [() => kms.describe(ref), () => kms.createKey(software)])
        await expect(work()).rejects.toMatchObject({ reason: 'unavailable', retryable: false });
      expect(await readFile(file, 'utf8')).toBe(text);
    },
  );

  it('quotes nothing of a damaged file', async () => {
    const kms = open();
    const ref = await kms.createKey(software);
    const { keys } = JSON.parse(await readFile(file, 'utf8')) as { keys: { versions: { material: string }[] }[] };
    const material = keys[0]!.versions[0]!.material;
    await writeFile(file, (await readFile(file, 'utf8')).replace(material, `${material}AAAA`));
    const error = await kms.describe(ref).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(KeyManagerError);
    expect(inspect(error, { depth: 10 })).not.toContain(material.slice(0, 12));
  });

  it('reads a file that somebody formatted anew, and refuses material that stands elsewhere', async () => {
    const kms = open();
    const [ref] = [await kms.createKey(software), await kms.createKey(software)];
    const { key, wrapped } = await kms.generateDataKey(ref, context);
    const text = await readFile(file, 'utf8');
    for (const other of [JSON.stringify(JSON.parse(text)), text.replaceAll(':', ' \n\t: '), text.replaceAll('"version":', '"version" :')]) {
      // Times hold colons too.
      await writeFile(file, other.replaceAll(/(\d) \n\t: (\d)/g, '$1:$2'));
      expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
    }
    const twice = text.replace('"createdAt"', `"material": "${key.export().toString('base64')}", "createdAt"`);
    const escaped = text.replace('"material"', '"m\\u0061terial"').replace(/(?<=m.u0061terial": ")[^"]*/, '0'.repeat(44));
    for (const damaged of [twice, escaped]) {
      await writeFile(file, damaged);
      await expect(kms.unwrap(wrapped, context)).rejects.toMatchObject({ reason: 'unavailable', retryable: false });
    }
  });

  it('maps what the file system says', async () => {
    await writeFile(join(folder, 'plain'), '');
    await expect(localKeyManager({ file: join(folder, 'plain', 'keys.json'), region: 'r' }).createKey(software)).rejects.toMatchObject({
      reason: 'unavailable',
    });
    await expect(localKeyManager({ file: folder, region: 'r' }).describe('x')).rejects.toBeInstanceOf(KeyManagerError);
  });

  it('shows other managers of the file what it made and what it disabled', async () => {
    const [one, two] = [open(), open()];
    const ref = await one.createKey(software);
    const { key, wrapped } = await two.generateDataKey(ref, context);
    const second = await two.createKey(software);
    expect((await one.describe(second)).state).toBe('enabled');
    expect((await one.unwrap(wrapped, context)).equals(key)).toBe(true);
    await two.disable(ref);
    await expect(one.unwrap(wrapped, context)).rejects.toMatchObject({ reason: 'disabled' });
  });

  it('survives a restart', async () => {
    const before = open();
    const ref = await before.createKey(software);
    const { key, wrapped } = await before.generateDataKey(ref, context);
    await before.close();
    expect((await open().unwrap(wrapped, context)).equals(key)).toBe(true);
  });

  it('rotates: older versions go on unwrapping, rewrap moves to the newest', async () => {
    const kms = open();
    const ref = await kms.createKey(software);
    const { key, wrapped } = await kms.generateDataKey(ref, context);
    await kms.rotate(ref);
    const moved = await kms.rewrap(wrapped, context);
    expect([wrapped.keyVersion, moved.keyVersion]).toEqual(['1', '2']);
    for (const one of [wrapped, moved]) expect((await kms.unwrap(one, context)).equals(key)).toBe(true);
    await expect(kms.unwrap({ ...moved, keyVersion: '1' }, context)).rejects.toMatchObject({ reason: 'invalidCiphertext' });
  });

  it('takes a software key for an HSM’s only where that is allowed, and says what it is', async () => {
    const premium = { tenantId: 'tenant-100', protection: 'hsm' } as const;
    await expect(open().createKey(premium)).rejects.toMatchObject({ reason: 'denied', tenantId: 'tenant-100' });
    await expect(stat(file)).rejects.toMatchObject({ code: 'ENOENT' });
    const kms = open({ allowSoftwareHsm: true });
    expect(await kms.describe(await kms.createKey(premium))).toMatchObject({ protection: 'software' });
  });

  it('deletes at the earliest date that was given', async () => {
    const kms = open();
    const [ref, other] = [await kms.createKey(software), await kms.createKey(software)];
    await kms.scheduleDeletion(ref, 7);
    await kms.scheduleDeletion(ref, 30);
    await expect(kms.disable(ref)).rejects.toMatchObject({ reason: 'pendingDeletion' });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 7 * 86_400_000 });
    await expect(kms.describe(ref)).rejects.toMatchObject({ reason: 'notFound' });
    await kms.disable(other);
    expect(await readFile(file, 'utf8')).not.toContain(ref);
  });

  it('deletes at once when told so: the material leaves the file', async () => {
    const kms = open();
    const ref = await kms.createKey(software);
    await kms.scheduleDeletion(ref, 0);
    expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ keys: [] });
    await expect(kms.describe(ref)).rejects.toMatchObject({ reason: 'notFound' });
    for (const days of [-1, 1.5, 366, Number.NaN]) await expect(kms.scheduleDeletion(ref, days)).rejects.toBeInstanceOf(ConfigurationError);
  });

  it('refuses options, tenants and keys that can’t be used', async () => {
    expect(() => localKeyManager({ file: '', region: 'r' })).toThrow(ConfigurationError);
    expect(() => localKeyManager({ file, region: '' })).toThrow(ConfigurationError);
    await expect(open().createKey({ tenantId: '../x', protection: 'software' })).rejects.toBeInstanceOf(InvalidTenantIdError);
    expect((await open().createKey({ tenantId: 'platform', protection: 'software' })).startsWith('local-platform-')).toBe(true);
  });

  it('is named after its region, so that one process can have several', () => {
    expect(open().provider).toBe('local/eu-central-1');
    expect(open({ provider: 'local/second' }).provider).toBe('local/second');
  });

  it('shows no keys', async () => {
    const kms = open();
    await kms.createKey(software);
    expect(inspect(kms, { showHidden: true, depth: 10 })).toBe(`LocalKeyManager(${file}, eu-central-1)`);
  });
});

describe('localKeyManager beside other processes', () => {
  it('agrees with processes that start at the same time, and loses no key', async () => {
    const script = `
      import { localKeyManager } from ${JSON.stringify(new URL('../../../src/kms/local.ts', import.meta.url).href)};
      const kms = localKeyManager({ file: process.argv[1], region: 'eu-central-1' });
      for (let i = 0; i < 5; i++) console.log(await kms.createKey({ tenantId: 'tenant-100', protection: 'software' }));`;
    const printed = await Promise.all([1, 2, 3].map(() => output(['--import', 'tsx', '--input-type=module', '-e', script, file])));
    const refs = printed.flatMap((text) => text.trim().split('\n'));
    expect(new Set(refs).size).toBe(15);
    const kms = open();
    for (const ref of refs) expect((await kms.describe(ref)).state).toBe('enabled');
    expect(await readdir(join(folder, 'deeper'))).toEqual(['keys.json']);
  });

  it('takes over the lock of a process that died, and removes the key material that it left', async () => {
    const kms = open();
    await kms.createKey(software);
    const pid = Number(await output(['-e', 'console.log(process.pid)']));
    await lockedBy({ pid, host: hostname() }, 2_000);
    await writeFile(`${file}.${'0'.repeat(8)}.tmp`, 'half a draft', { mode: 0o600 });
    await kms.createKey(software);
    expect(await readdir(join(folder, 'deeper'))).toEqual(['keys.json']);
  });

  it('takes over a lock that is too old, also of another machine or unreadable', async () => {
    const kms = open();
    await kms.createKey(software);
    await lockedBy({ pid: process.pid, host: 'elsewhere' }, 31_000);
    await kms.createKey(software);
    await writeFile(`${file}.lock`, '');
    await aged(31_000);
    await kms.createKey(software);
  });

  it('waits for a lock that is held, as long as its caller does', async () => {
    const kms = open();
    const ref = await kms.createKey(software);
    await lockedBy({ pid: process.pid, host: hostname() }, 0);
    await expect(kms.disable(ref, { signal: AbortSignal.timeout(100) })).rejects.toBeInstanceOf(AbortedError);
    expect((await kms.describe(ref)).state).toBe('enabled');
    const disabled = kms.disable(ref);
    await rm(`${file}.lock`);
    await disabled;
    expect((await kms.describe(ref)).state).toBe('disabled');
    expect(await readdir(join(folder, 'deeper'))).toEqual(['keys.json']);
  });
});

async function lockedBy(holder: { readonly pid: number; readonly host: string }, ageMs: number): Promise<void> {
  await writeFile(`${file}.lock`, JSON.stringify({ token: 'left-behind', ...holder }));
  await aged(ageMs);
}

async function aged(ageMs: number): Promise<void> {
  const then = new Date(Date.now() - ageMs);
  await utimes(`${file}.lock`, then, then);
}

function output(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(out) : reject(new Error(err))));
  });
}
