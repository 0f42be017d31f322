import { once } from 'node:events';
import pc from 'picocolors';
import { type ErrorReport, errorReport } from './error-report.ts';
import { ProgressBar } from './progress-bar.ts';
import { type Column, printable, renderTable } from './table.ts';

/** A stream that may be a terminal. */
export type CliStream = NodeJS.WritableStream & { readonly isTTY?: boolean | undefined };

/** Where a command's output goes: one JSON document, or tables for people, on stdout; progress and errors on stderr. */
export class CliOutput {
  readonly json: boolean;
  readonly colors: ReturnType<typeof pc.createColors>;
  readonly #stdout: CliStream;
  readonly #stderr: CliStream;
  readonly #errorColors: ReturnType<typeof pc.createColors>;
  #secrets: readonly string[] = [];

  constructor(options: {
    readonly stdout: CliStream;
    readonly stderr: CliStream;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly json: boolean;
  }) {
    const plain = (options.env['NO_COLOR'] ?? '') !== '' || options.env['TERM'] === 'dumb' || options.json;
    this.json = options.json;
    this.#stdout = options.stdout;
    this.#stderr = options.stderr;
    this.colors = pc.createColors(!plain && options.stdout.isTTY === true);
    this.#errorColors = pc.createColors(!plain && options.stderr.isTTY === true);
  }

  /** From here on these are hidden in every error. */
  maskAlso(secrets: readonly string[]): void {
    this.#secrets = secrets;
  }

  /** The command's result: `document` with `--json`, else what `human` writes. */
  result(document: object, human: () => string): void {
    this.#stdout.write(
      this.json
        ? `${JSON.stringify(document, (_, value: unknown) => (value instanceof Error ? this.describe(value) : value), 2)}\n`
        : human(),
    );
  }

  /** One line of a stream of results; resolves when the reader has room for the next. */
  async line(text: string): Promise<void> {
    if (!this.#stdout.write(`${text}\n`)) await once(this.#stdout, 'drain');
  }

  /** A table with dim titles, or a line that says that there is nothing. */
  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[], empty: string): string {
    return rows.length === 0 ? `${empty}\n` : renderTable(rows, columns, this.colors.dim);
  }

  /** Words beside the result, for people only. */
  note(text: string): void {
    if (!this.json) this.#stderr.write(`${text}\n`);
  }

  error(error: unknown): void {
    const report = this.describe(error);
    if (this.json) {
      this.#stderr.write(`${JSON.stringify(report)}\n`);
      return;
    }
    const { red, dim } = this.#errorColors;
    this.#stderr.write(`${red('error:')} ${printable(report.message)}\n`);
    if (report.cause !== null) this.#stderr.write(`${dim('cause:')} ${printable(report.cause)}\n`);
    if (report.hint !== null) this.#stderr.write(`${dim('hint:')} ${printable(report.hint)}\n`);
    if (report.auditId !== null) this.#stderr.write(`${dim('audit:')} ${printable(report.auditId)}\n`);
  }

  describe(error: unknown): ErrorReport {
    return errorReport(error, this.#secrets);
  }

  progress(label: string): ProgressBar {
    return new ProgressBar(this.#stderr, this.#stderr.isTTY === true && !this.json, label);
  }
}
