import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { importsOf, readImports, targetOf } from '../../../scripts/imports.ts';

test('finds every form of import and re-export, types and dynamic ones included', () => {
  const source = `import a from './a.ts';
import * as b from './b.ts';
import { c, type C } from './c.ts';
import type { D } from './d.ts';
import e, {
  f,
  type G,
} from "./e.ts";
import './side-effect.ts';
import { $h } from 'a-package/part';
export { i } from './i.ts';
export type { J } from './j.ts';
export * as k from './k.ts';
export * from './l.ts';
const m = await import('./m.ts');
type N = typeof import('./n.ts');
`;
  expect([...importsOf(source)].sort()).toEqual(
    ['a', 'b', 'c', 'd', 'e', 'i', 'j', 'k', 'l', 'm', 'n', 'side-effect']
      .map((name) => `./${name}.ts`)
      .concat('a-package/part')
      .sort(),
  );
});

test('is not fooled by examples in comments, by text, or by exports of its own', () => {
  const source = `/**
 * @example
 * import { x } from './example.ts';
 * const y = await import('./example.ts');
 */
// import z from './commented.ts';
export const from = { text: "import q from './text.ts'" };
export function f(): void {
  const a = select().from('./table.ts');
}
export interface I { from: './literal.ts' }
`;
  expect(importsOf(source)).toEqual([]);
});

test('reads a folder and its folders', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tenancy-imports-'));
  await mkdir(join(root, 'deep', 'er'), { recursive: true });
  await writeFile(join(root, 'top.ts'), "import './deep/er/low.ts';\n");
  await writeFile(join(root, 'deep', 'er', 'low.ts'), "import fs from 'node:fs';\n");
  await writeFile(join(root, 'deep', 'notes.md'), "import './nothing.ts';\n");
  expect([...(await readImports(root))]).toEqual([
    ['deep/er/low.ts', ['node:fs']],
    ['top.ts', ['./deep/er/low.ts']],
  ]);
  await rm(root, { recursive: true });
});

test('resolves relative specifiers and leaves packages', () => {
  expect(targetOf('catalog/cluster.ts', '../errors.ts')).toBe('errors.ts');
  expect(targetOf('catalog/cluster.ts', './placement.ts')).toBe('catalog/placement.ts');
  expect(targetOf('catalog/cluster.ts', '../../scripts/x.ts')).toBe('../scripts/x.ts');
  expect(targetOf('catalog/cluster.ts', 'postgres')).toBeUndefined();
});
