import { ConfigurationError } from '../errors.ts';
import { inlineLiteral } from './inline-literal.ts';

/** How `copyTo` writes rows: PostgreSQL's options of COPY. */
export interface CopyToOptions {
  /** `csv` unless told. */
  readonly format?: 'csv' | 'text' | 'binary' | undefined;
  /** Whether the first line names the columns; not with `binary`, with `text` from PostgreSQL 15 on. */
  readonly header?: boolean | undefined;
  /** One character between columns; not with `binary`. */
  readonly delimiter?: string | undefined;
  /** What stands for NULL; not with `binary`. */
  readonly null?: string | undefined;
  /** Ends the COPY on the server; its transaction is rolled back. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The command around a query's text.
 *
 * @throws {ConfigurationError} when an option is none of PostgreSQL's
 */
export function copyText(query: string, options: CopyToOptions): string {
  const { format = 'csv', header, delimiter, null: nullText } = options;
  if (!['csv', 'text', 'binary'].includes(format)) throw new ConfigurationError('copyTo knows the formats csv, text and binary.');
  if (format === 'binary' && (header !== undefined || delimiter !== undefined || nullText !== undefined))
    throw new ConfigurationError('copyTo takes no header, delimiter or null with the format binary.');
  if (delimiter !== undefined && delimiter.length !== 1) throw new ConfigurationError('copyTo takes a delimiter of one character.');
  const settings = [
    `format ${format}`,
    header === undefined ? undefined : `header ${header ? 'true' : 'false'}`,
    delimiter === undefined ? undefined : `delimiter ${inlineLiteral(String(delimiter))}`,
    nullText === undefined ? undefined : `null ${inlineLiteral(String(nullText))}`,
  ].filter((setting) => setting !== undefined);
  // A comment at the query's end must not swallow the parenthesis.
  return `copy (\n${query}\n) to stdout with (${settings.join(', ')})`;
}
