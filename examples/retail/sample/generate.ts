import { writeFile } from 'node:fs/promises';
import { sampleFiles } from './sample-files.ts';
import { sampleSeed } from './sample-seed.ts';

/** Writes the sample anew: `npx tsx examples/retail/sample/generate.ts`. A test compares the files with what this would write. */
for (const [name, text] of sampleFiles(sampleSeed)) {
  await writeFile(new URL(name, import.meta.url), text);
  console.log(`${name}: ${text.split('\n').length - 2} lines`);
}
