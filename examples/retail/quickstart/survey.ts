import type { LineProblem } from '../csv/invoice-line.ts';
import { invoiceFiles, readInvoiceLines } from '../csv/invoice-lines.ts';
import { ProductCatalogue } from '../product-catalogue.ts';
import { type RetailerTotals, TotalsCounter } from '../totals.ts';
import { UsageError } from './usage-error.ts';

/** What the files hold, before anything is imported: what must come out, and what each retailer sells. */
export interface Survey {
  readonly files: readonly string[];
  readonly totals: ReadonlyMap<string, RetailerTotals>;
  readonly catalogue: ProductCatalogue;
  readonly problems: readonly LineProblem[];
  /** Usable lines, those that come again included. */
  readonly lines: number;
  /** Lines that came a second time from another file. */
  readonly repeated: number;
}

/**
 * Reads all files once, streamed.
 *
 * @throws {UsageError} when no line can be used
 */
export async function survey(data: string, signal: AbortSignal): Promise<Survey> {
  const counter = new TotalsCounter();
  const catalogue = new ProductCatalogue();
  let lines = 0;
  for await (const entry of readInvoiceLines(data, signal)) {
    if (entry.kind === 'line') lines += 1;
    if (counter.add(entry) && entry.kind === 'line') catalogue.add(entry);
  }
  const { retailers: totals, problems, repeated } = counter;
  if (lines === 0) {
    const first = problems.slice(0, 3).map(({ file, line, reason }) => `${file}:${line} ${reason}`);
    throw new UsageError([`There is no usable line in ${data}.`, ...first].join('\n'));
  }
  return Object.freeze({ files: await invoiceFiles(data), totals, catalogue, problems, lines, repeated });
}
