import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { floors, floorViolations, importCycles } from '../../../scripts/floors.ts';
import { type ImportGraph, readImports } from '../../../scripts/imports.ts';

const graph = (files: Record<string, string[]>): ImportGraph => new Map(Object.entries(files));

describe('floors', () => {
  test('imports may go down, to an earlier entry of the same floor, and within a folder', () => {
    const good = graph({
      'errors.ts': [],
      'crypto/codec.ts': ['../errors.ts', 'zod', 'node:fs'],
      'audit/event.ts': ['../crypto/codec.ts', './sink.ts'],
      'audit/sink.ts': [],
      'cli/main.ts': ['../audit/event.ts'],
    });
    expect(floorViolations(good)).toEqual([]);
  });

  test.each([
    [
      'an import that goes up',
      { 'errors.ts': ['./sql/names.ts'], 'sql/names.ts': [] },
      'errors.ts imports sql/names.ts: errors stands below sql',
    ],
    [
      'a later entry of the same floor',
      { 'audit/a.ts': ['../rls/b.ts'], 'rls/b.ts': [] },
      'audit/a.ts imports rls/b.ts: audit stands below rls',
    ],
    [
      'a surface used from below',
      { 'database/a.ts': ['../testing/b.ts'], 'testing/b.ts': [] },
      'database/a.ts imports testing/b.ts: database stands below testing',
    ],
    ['a folder on no floor', { 'utils/a.ts': [] }, 'utils/a.ts: utils stands on no floor'],
    ['a way out of src', { 'sql/a.ts': ['../../scripts/b.ts'] }, 'sql/a.ts imports ../../scripts/b.ts, which is outside src'],
    ['a file that is not there', { 'sql/a.ts': ['./gone.ts'] }, 'sql/a.ts imports ./gone.ts, which does not exist'],
  ])('%s is found', (_, files, message) => {
    const found = floorViolations(graph(files as Record<string, string[]>));
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });

  test('no entry is named twice', () => {
    expect(new Set(floors.flat()).size).toBe(floors.flat().length);
  });
});

describe('cycles', () => {
  test('none in a tree, nor where two files share a third', () => {
    expect(importCycles(graph({ 'a.ts': ['./b.ts', './c.ts'], 'b.ts': ['./d.ts'], 'c.ts': ['./d.ts'], 'd.ts': [] }))).toEqual([]);
  });

  test('each is reported once, wherever it is entered', () => {
    const circular = graph({ 'x.ts': ['./b.ts'], 'b.ts': ['./c.ts'], 'c.ts': ['./a.ts'], 'a.ts': ['./b.ts'], 'self.ts': ['./self.ts'] });
    expect(importCycles(circular)).toEqual(['a.ts → b.ts → c.ts → a.ts', 'self.ts → self.ts']);
  });
});

test('src itself is a house', async () => {
  const src = await readImports(join(import.meta.dirname, '..', '..', '..', 'src'));
  expect(src.size).toBeGreaterThan(20);
  expect(floorViolations(src)).toEqual([]);
  expect(importCycles(src)).toEqual([]);
});
