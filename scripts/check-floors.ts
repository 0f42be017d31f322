import { join } from 'node:path';
import { floorViolations, importCycles } from './floors.ts';
import { readImports } from './imports.ts';

/* Proves that src is a house: imports go down, and no files import each other in a circle. */
const graph = await readImports(join(import.meta.dirname, '..', 'src'));
const found = [...floorViolations(graph), ...importCycles(graph).map((cycle) => `cycle: ${cycle}`)];
for (const line of found) console.error(line);
console.log(`${graph.size} files, ${found.length} violations of the floors`);
if (found.length > 0 || graph.size === 0) process.exitCode = 1;
