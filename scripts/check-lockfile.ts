import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lockfileProblems } from './lockfile.ts';

/* Proves that the lockfile names no registry and pins every package by checksum. */
const found = lockfileProblems(await readFile(join(import.meta.dirname, '..', 'package-lock.json'), 'utf8'));
for (const line of found) console.error(line);
if (found.length > 0) process.exitCode = 1;
else console.log('package-lock.json: no addresses, every package pinned');
