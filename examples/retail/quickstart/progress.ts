import { SingleBar } from 'cli-progress';

/** How far long work has come: a bar where stderr is a terminal, else a line at every quarter. */
export class Progress implements Disposable {
  readonly #label: string;
  readonly #total: number;
  readonly #bar: SingleBar | undefined;
  #done = 0;
  #quarter = 0;

  constructor(label: string, total: number) {
    this.#label = label;
    this.#total = total;
    if (process.stderr.isTTY !== true) return;
    this.#bar = new SingleBar({
      stream: process.stderr,
      format: `  ${label} {bar} {value}/{total}`,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 30,
      hideCursor: false,
      gracefulExit: false,
      clearOnComplete: true,
    });
    this.#bar.start(total, 0);
  }

  advance(by = 1): void {
    this.#done += by;
    this.#bar?.update(this.#done);
    const quarter = Math.floor((4 * this.#done) / this.#total);
    if (this.#bar !== undefined || quarter <= this.#quarter) return;
    this.#quarter = quarter;
    process.stderr.write(`  ${this.#label}: ${this.#done} of ${this.#total}\n`);
  }

  [Symbol.dispose](): void {
    this.#bar?.stop();
  }
}
