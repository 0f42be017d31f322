import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compared } from '../../../bench/encryption/compared.ts';
import { countedKeyManager } from '../../../bench/encryption/counted-key-manager.ts';
import { measureValueCosts } from '../../../bench/encryption/value-cost.ts';
import { encryptionFigures, figures } from '../../../bench/figures.ts';
import { isMet } from '../../../bench/floor.ts';
import { floorsOf } from '../../../bench/floors.ts';
import { report } from '../../../bench/report.ts';
import { KeyManagerError } from '../../../src/errors.ts';
import { localKeyManager } from '../../../src/kms/local.ts';
import { benchDocument } from './documents.ts';

const ratios = { ratio: 1.5, ratioLow: 1.4, ratioHigh: 1.7 };
const document = benchDocument({
  encryption: {
    valueCosts: [
      { direction: 'encrypt', bytes: 64, rounds: 1_500, plain: 4, encrypted: 6, ...ratios },
      { direction: 'decrypt', bytes: 64, rounds: 1_500, plain: 4, encrypted: 8, ...ratios, ratio: 1.7 },
      { direction: 'decrypt', bytes: 1_024, rounds: 1_500, plain: 5, encrypted: 10, ...ratios, ratio: 2 },
    ],
    select: { rows: 1_000, columns: 3, rounds: 150, plain: 5, encrypted: 25, ...ratios, ratio: 5 },
    kmsCalls: { tenants: 100, coldCalls: 200, queries: 100_000, seconds: 52.3, warmCalls: 12, refreshes: 10 },
    keyMemory: {
      tenants: 10_000,
      loaded: { heapBytes: 20_000_000, rssBytes: 30_000_000 },
      used: { heapBytes: 25_000_000, rssBytes: 45_000_000 },
    },
  },
});

test('what was promised of encryption is compared with what was measured', () => {
  expect(floorsOf(document).map((floor) => [floor.text, floor.bound, floor.measured, isMet(floor)])).toEqual([
    ["encrypt 64 bytes: bare AES-256-GCM's time", 1.6, 1.5, true],
    ["decrypt 64 bytes: bare AES-256-GCM's time", 1.6, 1.7, false],
    ["key manager's calls in 100,000 queries of 100 tenants with warm keys", 9, 12, false],
  ]);
  expect(floorsOf(benchDocument({}))).toEqual([]);
});

test('its figures have a place of their own, and are in the report', () => {
  const text = encryptionFigures(document);
  expect(text).toContain('| decrypt 1,024 bytes | 5.00 | 10.00 | 2.00× | 1.40 to 1.70 |');
  expect(text).toContain('| `tenancy-row` | 5.00 | 25.00 | 5.00× | 1.40 to 1.70 |');
  expect(text).toContain('| 100 | 200 | 100,000 | 52 | 12 | 10 |');
  expect(text).toContain('| and used | 2,500 | 4,500 |');
  expect(text).toContain('**not met**');
  expect(figures(document)).not.toContain('encrypt');
  expect(report(document)).toMatch(/encrypt 64 bytes +4\.00 +6\.00 +1\.50×/);
  expect(encryptionFigures(benchDocument({}))).toBe('');
});

test('ratios are of one round: what slows a whole round down changes none', () => {
  const rounds = [1, 1, 1, 100].map((load, index) => ({ plain: 2 * load, encrypted: (3 + index) * load }));
  expect(compared(rounds)).toEqual({ plain: 2, encrypted: 4, ratio: 2, ratioLow: 1.5, ratioHigh: 2.5 });
});

test('both directions and every size are measured', () => {
  const costs = measureValueCosts([16, 64], 2, new AbortController().signal);
  expect(costs.map(({ direction, bytes }) => `${direction} ${bytes}`)).toEqual(['encrypt 16', 'decrypt 16', 'encrypt 64', 'decrypt 64']);
  for (const { plain, encrypted, ratio } of costs) expect(Math.min(plain, encrypted, ratio)).toBeGreaterThan(0);
  expect(() => measureValueCosts([16], 2, AbortSignal.abort(new Error('enough')))).toThrow('enough');
});

test('a counted key manager works, fails and names itself as the one that it counts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tenancy-bench-test-'));
  try {
    const { manager, taken } = countedKeyManager(localKeyManager({ file: join(folder, 'keys.json'), region: 'eu-1' }));
    const keyRef = await manager.createKey({ tenantId: 'a', protection: 'software' });
    const { key, wrapped } = await manager.generateDataKey(keyRef, { tenantId: 'a', purpose: 'data' });
    expect((await manager.unwrap(wrapped, { tenantId: 'a', purpose: 'data' })).equals(key)).toBe(true);
    await expect(manager.unwrap(wrapped, { tenantId: 'b', purpose: 'data' })).rejects.toThrow(KeyManagerError);
    expect(manager.provider).toBe('local/eu-1');
    expect(taken()).toEqual({ createKey: 1, generateDataKey: 1, unwrap: 2 });
    expect(taken()).toEqual({});
    await manager.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
