import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { csvRecords } from './csv-records.ts';
import type { InvoiceLine, LineProblem } from './invoice-line.ts';
import { LineKeys } from './line-keys.ts';
import { invoiceHeader, parseInvoiceLine } from './parse-invoice-line.ts';
import { textLines } from './text-lines.ts';

/**
 * The invoice files at a path: the file itself, or a directory's `.csv` files in the order of their names.
 *
 * @throws {Error} when the path is missing or holds no `.csv` file
 */
export async function invoiceFiles(path: string): Promise<readonly string[]> {
  const entry = await stat(path).catch((cause: unknown) => {
    throw new Error(`There are no invoice files at ${path}: it does not exist.`, { cause });
  });
  if (!entry.isDirectory()) return [path];
  const names = (await readdir(path, { withFileTypes: true }))
    .filter((file) => !file.isDirectory() && /^[^.].*\.csv$/i.test(file.name))
    .map((file) => file.name)
    .sort((left, right) => (left < right ? -1 : 1));
  if (names.length === 0) throw new Error(`There are no invoice files at ${path}: the directory holds no .csv file.`);
  return names.map((name) => join(path, name));
}

/**
 * Streams the lines of one file or a directory of files. Lines that can't be used come as problems and stop nothing; a file with another
 * header is one problem. The same line in two files has one {@link InvoiceLine.lineKey}: count keys, not lines.
 *
 * @throws {Error} when there is no file to read
 * @example
 * ```ts
 * for await (const entry of readInvoiceLines('sample')) {
 *   if (entry.kind === 'problem') console.error(`${entry.file}:${entry.line} ${entry.reason}`);
 * }
 * ```
 */
export async function* readInvoiceLines(path: string, signal?: AbortSignal): AsyncGenerator<InvoiceLine | LineProblem> {
  for (const file of await invoiceFiles(path)) yield* readFile(file, signal);
}

async function* readFile(path: string, signal?: AbortSignal): AsyncGenerator<InvoiceLine | LineProblem> {
  const file = basename(path);
  const keys = new LineKeys();
  let header = false;
  for await (const { line, fields, reason } of csvRecords(textLines(path, signal), invoiceHeader.length)) {
    if (!header) {
      header = fields?.join() === invoiceHeader.join();
      if (header) continue;
      yield { kind: 'problem', file, line, reason: `the file was left out: its header is not ${invoiceHeader.join()}` };
      return;
    }
    const parsed = reason ?? parseInvoiceLine(fields, keys);
    yield typeof parsed === 'string' ? { kind: 'problem', file, line, reason: parsed } : { kind: 'line', file, line, ...parsed };
  }
  if (!header) yield { kind: 'problem', file, line: 1, reason: 'the file is empty' };
}
