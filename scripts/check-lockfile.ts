import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { completeLockfile, lockfileProblems } from './lockfile.ts';

/* Proves that the lockfile names no registry, pins every package and lists every platform; with --write, adds what npm left out. */
const file = join(import.meta.dirname, '..', 'package-lock.json');
if (process.argv.includes('--write')) await writeFile(file, completeLockfile(await readFile(file, 'utf8')));
const found = lockfileProblems(await readFile(file, 'utf8'));
for (const line of found) console.error(line);
if (found.length > 0) process.exitCode = 1;
else console.log('package-lock.json: no addresses, every package pinned, every platform listed');
