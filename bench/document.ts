import { readFile, writeFile } from 'node:fs/promises';
import type { BenchDocument } from './bench-document.ts';
import { betweenMarkers } from './between-markers.ts';
import { encryptionFigures, figures } from './figures.ts';
import { plot } from './plot/plot.ts';

/*
 * Writes figures and plot of docs/performance.md from what `bench --json` printed, so that no figure is typed by hand. Encryption has a
 * section of its own, and a run of some cases leaves the section that it has nothing for as it is.
 */
const [file] = process.argv.slice(2);
if (file === undefined) throw new TypeError('usage: node --import tsx bench/document.ts results.json');
const document = JSON.parse(await readFile(file, 'utf8')) as BenchDocument;
const page = new URL('../docs/performance.md', import.meta.url);
let text = await readFile(page, 'utf8');
if (document.results.length > 0) {
  text = betweenMarkers(text, 'figures', figures(document));
  await writeFile(new URL('../docs/performance.svg', import.meta.url), plot(document));
}
const encryption = encryptionFigures(document);
if (encryption !== '') text = betweenMarkers(text, 'figures of encryption', encryption);
await writeFile(page, text);
