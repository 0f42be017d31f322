import { readFile, writeFile } from 'node:fs/promises';
import type { BenchDocument } from './bench-document.ts';
import { betweenMarkers } from './between-markers.ts';
import { figures } from './figures.ts';
import { plot } from './plot/plot.ts';

/* Writes figures and plot of docs/performance.md from what `bench --json` printed, so that no figure is typed by hand. */
const [file] = process.argv.slice(2);
if (file === undefined) throw new TypeError('usage: node --import tsx bench/document.ts results.json');
const document = JSON.parse(await readFile(file, 'utf8')) as BenchDocument;
const page = new URL('../docs/performance.md', import.meta.url);
await writeFile(page, betweenMarkers(await readFile(page, 'utf8'), figures(document)));
await writeFile(new URL('../docs/performance.svg', import.meta.url), plot(document));
