import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withExamples } from './doc-examples.ts';

/* Compares the code in README and docs with the examples that it is copied from; with --write, copies it anew. */
const root = join(import.meta.dirname, '..');
const write = process.argv.includes('--write');
const documents = [
  'README.md',
  ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
];
let failed = false;

for (const name of documents) {
  const before = await readFile(join(root, name), 'utf8');
  const { text, problems } = await withExamples(before, (path) => readFile(join(root, path), 'utf8').catch(() => undefined));
  for (const problem of problems) console.error(`${name}: ${problem}`);
  if (text !== before && write) await writeFile(join(root, name), text);
  else if (text !== before) console.error(`${name}: its code differs from the example; run npm run check:docs -- --write`);
  failed ||= problems.length > 0 || (text !== before && !write);
}
console.log(`${documents.length} documents${write ? ' written' : ' compared'}`);
if (failed) process.exitCode = 1;
