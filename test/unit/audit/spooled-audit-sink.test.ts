import { generateKeySync } from 'node:crypto';
import { appendFile, mkdtemp, readdir, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AuditChain } from '../../../src/audit/audit-chain.ts';
import { type AuditEvent, auditEvent } from '../../../src/audit/audit-event.ts';
import type { AuditSink } from '../../../src/audit/audit-sink.ts';
import type { AuditWriter } from '../../../src/audit/audit-writer.ts';
import { SpooledAuditSink, type SpooledAuditSinkOptions } from '../../../src/audit-store/spooled-audit-sink.ts';
import { CatalogError } from '../../../src/errors.ts';

let directory: string;
let opened: SpooledAuditSink[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'audit-spool-'));
  opened = [];
});
afterEach(async () => {
  await Promise.all(opened.map(async (sink) => await sink.close()));
  await rm(directory, { recursive: true, force: true });
});

/** A store that can be away, refuse, or hang, and keeps an entry that comes twice once. */
class Store implements AuditSink {
  readonly name = 'store';
  readonly kept: string[] = [];
  readonly writers = new Map<string, AuditWriter>();
  mode: 'there' | 'away' | 'hanging' = 'there';
  refuses: string | undefined;
  writes = 0;

  begin(writer: AuditWriter): void {
    this.writers.set(writer.id, writer);
  }

  async write(events: readonly AuditEvent[]): Promise<void> {
    this.writes++;
    if (this.mode === 'hanging') await new Promise(() => {});
    if (this.mode === 'away') throw new CatalogError('away', { retryable: true });
    if (events.some(({ tenantId }) => tenantId === this.refuses)) throw new CatalogError('refused');
    for (const { tenantId } of events) if (!this.kept.includes(tenantId!)) this.kept.push(tenantId!);
  }

  async close(): Promise<void> {}
}

function open(inner: Store, options: Partial<SpooledAuditSinkOptions> = {}) {
  const id = crypto.randomUUID();
  const writer = { id, provider: 'p', keyRef: 'k', keyVersion: 'v', wrapped: Buffer.from('w'), startedAt: new Date() };
  const chain = new AuditChain(writer, generateKeySync('hmac', { length: 256 }));
  const sink = new SpooledAuditSink({ inner, directory, searchEveryMs: 20, ...options });
  opened.push(sink);
  sink.begin(writer);
  const write = async (...tenants: readonly string[]) =>
    await sink.write(
      tenants.map((tenantId) => chain.append(auditEvent({ action: 'query.policy', outcome: 'refused', tenantId, reason: 'ü\n' }))),
    );
  return { sink, write, writer };
}

const spools = async () => (await readdir(directory)).filter((name) => name.endsWith('.spool'));

/** Keeps the process from ending while only timers that don't are left. */
async function until(check: () => unknown): Promise<void> {
  await expect.poll(check, { timeout: 20_000, interval: 10 }).toBe(true);
}

describe('SpooledAuditSink', () => {
  test('while the store is there nothing is written to disk', async () => {
    const store = new Store();
    const { write } = open(store);
    await write('a', 'b');
    expect(store.kept).toEqual(['a', 'b']);
    expect(await readdir(directory)).toEqual([]);
  });

  test('while it is away entries are on disk, for its owner alone; back again, they are delivered in order and removed', async () => {
    const store = new Store();
    const { write, writer } = open(store);
    store.mode = 'away';
    for (const tenant of ['a', 'b', 'c']) await write(tenant);
    const [name] = await spools();
    const text = await readFile(join(directory, name!), 'utf8');
    expect(text.split('\n')).toHaveLength(5);
    expect(text).toContain('"tenant_id":"c"');
    expect((await stat(join(directory, name!))).mode & 0o777).toBe(0o600);
    store.mode = 'there';
    await write('d');
    await until(() => store.kept.length === 4);
    expect(store.kept).toEqual(['a', 'b', 'c', 'd']);
    expect(store.writers.get(writer.id)).toEqual(writer);
    await until(async () => (await readdir(directory)).length === 0);
    await write('e');
    expect(store.kept.at(-1)).toBe('e');
  });

  test('a store that hangs is not waited for', async () => {
    const store = new Store();
    const { write } = open(store, { patienceMs: 20 });
    store.mode = 'hanging';
    await write('a');
    expect(await spools()).toHaveLength(1);
  });

  test('what the next process finds is delivered once, in order, whatever the last one got to', async () => {
    const store = new Store();
    const first = open(store);
    store.mode = 'away';
    await first.write(...Array.from({ length: 700 }, (_, n) => `t-${n}`));
    await first.sink.close();
    expect(await spools()).toHaveLength(1);
    store.mode = 'there';
    store.kept.push('t-0', 't-1');
    open(store);
    await until(async () => (await readdir(directory)).length === 0);
    expect(store.kept).toEqual(Array.from({ length: 700 }, (_, n) => `t-${n}`));
    expect(store.writers.has(first.writer.id)).toBe(true);
  });

  test('a file whose process lives is left alone; control: once it has ended it is not', async () => {
    const [mine, other] = [new Store(), new Store()];
    mine.mode = 'away';
    const first = open(mine);
    await first.write('a');
    open(other);
    open(other, { searchEveryMs: 5 });
    await new Promise((resolve) => {
      setTimeout(resolve, 200);
    });
    expect(other.kept).toEqual([]);
    await first.sink.close();
    await until(() => other.kept.length === 1);
  });

  test('two that find the same file do not deliver it at the same time', async () => {
    const store = new Store();
    const first = open(store);
    store.mode = 'away';
    await first.write('a');
    await first.sink.close();
    let running = 0;
    let most = 0;
    const watched = new Store();
    watched.write = async ({ length }) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
      running--;
      watched.writes += length;
    };
    for (let n = 0; n < 4; n++) open(watched, { searchEveryMs: 5 });
    await until(async () => (await readdir(directory)).length === 0);
    expect({ most, writes: watched.writes }).toEqual({ most: 1, writes: 1 });
  });

  test('a line that was torn off at the end was never acknowledged and is passed over', async () => {
    const store = new Store();
    const { sink, write } = open(store);
    store.mode = 'away';
    await write('a', 'b');
    await sink.close();
    const path = join(directory, (await spools())[0]!);
    await appendFile(path, (await readFile(path, 'utf8')).split('\n')[1]!.slice(0, 40));
    store.mode = 'there';
    open(store);
    await until(async () => (await readdir(directory)).length === 0);
    expect(store.kept).toEqual(['a', 'b']);
  });

  test('a line that was changed is not delivered, and the file is kept for somebody to look at', async () => {
    const store = new Store();
    const { sink, write } = open(store);
    store.mode = 'away';
    await write('a', 'b', 'c');
    await sink.close();
    const [name] = await spools();
    const path = join(directory, name!);
    await writeFile(path, (await readFile(path, 'utf8')).replace('"tenant_id":"b"', '"tenant_id":"x"'));
    store.mode = 'there';
    const heard: unknown[] = [];
    open(store, { onError: (error) => heard.push(error) });
    await until(async () => (await spools()).length === 0 && heard.length === 1);
    expect(store.kept).toEqual(['a', 'c']);
    expect(await readdir(directory)).toEqual([`${name}.damaged`]);
  });

  test('an entry that the store refuses for ever is set aside, and does not hold up the others', async () => {
    const store = new Store();
    const heard: unknown[] = [];
    const { write } = open(store, { onError: (error) => heard.push(error) });
    store.mode = 'away';
    await write('a', 'bad', 'c');
    store.refuses = 'bad';
    store.mode = 'there';
    await until(async () => (await spools()).length === 0);
    expect(store.kept).toEqual(['a', 'c']);
    expect(heard).toHaveLength(1);
    const [left] = (await readdir(directory)).filter((name) => name.endsWith('.rejected'));
    expect(await readFile(join(directory, left!), 'utf8')).toContain('"tenant_id":"bad"');
  });

  test('a full spool takes no more', async () => {
    const store = new Store();
    const { write } = open(store, { maxBytes: 1_000 });
    store.mode = 'away';
    await write('a');
    await write('b');
    await expect(write('c')).rejects.toMatchObject({ retryable: true, message: expect.stringContaining('maxBytes') as string });
  });

  test('a file that was taken away meanwhile does not swallow what is appended to it', async () => {
    const store = new Store();
    const { write } = open(store);
    store.mode = 'away';
    await write('a');
    const [name] = await spools();
    // As another process does that held this one for dead: it breaks the lock, delivers and removes the file.
    await unlink(join(directory, `${name}.lock`));
    await rename(join(directory, name!), join(directory, 'delivered'));
    await write('b');
    const left = await spools();
    expect(left).toHaveLength(1);
    expect(left[0]).not.toBe(name);
    expect(await readFile(join(directory, left[0]!), 'utf8')).toContain('"tenant_id":"b"');
  });

  test('a directory that can’t be made is said to be the reason', async () => {
    const store = new Store();
    await writeFile(join(directory, 'file'), '');
    const { write } = open(store, { directory: join(directory, 'file', 'spool') });
    store.mode = 'away';
    await expect(write('a')).rejects.toMatchObject({ retryable: true, cause: expect.objectContaining({ code: 'ENOTDIR' }) as unknown });
  });
});
