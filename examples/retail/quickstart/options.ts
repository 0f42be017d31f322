import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { invoiceFiles } from '../csv/invoice-lines.ts';
import { UsageError } from './usage-error.ts';

export const usage = `Usage: npm run quickstart [-- --data DIR] [-- --keep]

  --data DIR  import the invoice files of DIR (or one file) instead of the sample; their header is
              InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
  --keep      leave the databases up afterwards and print connection strings; Ctrl-C ends and removes them
  --help      print this

Exit codes: 0 all is right, 1 something is off, 2 wrong arguments or no data, 130 or 143 interrupted.
`;

export interface Options {
  /** A directory of invoice files, or one file. */
  readonly data: string;
  readonly keep: boolean;
  readonly help: boolean;
}

/** @throws {UsageError} naming what can't be used and what to write instead */
export async function parseOptions(args: readonly string[]): Promise<Options> {
  const { values, positionals } = parsed(args);
  if (positionals.length > 0) {
    throw new UsageError(
      `${JSON.stringify(positionals[0])} is not understood. npm keeps options for itself unless they follow two hyphens: npm run quickstart -- --data DIR`,
    );
  }
  if (values.data === '') throw new UsageError('--data needs the name of a directory or file.');
  const data = values.data ?? fileURLToPath(new URL('../sample', import.meta.url));
  if (values.help !== true) {
    await invoiceFiles(data).catch((cause: unknown) => {
      throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause });
    });
  }
  return Object.freeze({ data, keep: values.keep ?? false, help: values.help ?? false });
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { data: { type: 'string' }, keep: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (cause) {
    // Node goes on about positional arguments, which there are none of.
    throw new UsageError(cause instanceof Error ? cause.message.replace(/\. To specify.*$/s, '.') : String(cause), { cause });
  }
}
