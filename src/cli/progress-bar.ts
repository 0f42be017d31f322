import { SingleBar } from 'cli-progress';
import { printable } from './table.ts';

/** A bar of long work on stderr; it does nothing where stderr is no terminal. */
export class ProgressBar implements Disposable {
  readonly #bar: SingleBar | undefined;
  #started = false;

  /**
   * @param stream stderr
   * @param enabled whether it is a terminal and people read along
   * @param label what is being done, before the bar
   */
  constructor(stream: NodeJS.WritableStream, enabled: boolean, label: string) {
    if (!enabled) return;
    this.#bar = new SingleBar({
      stream,
      format: `${label} {bar} {value}/{total} {text}`,
      barCompleteChar: '█',
      barIncompleteChar: '░',
      barsize: 24,
      // The terminal stays as it is and signals stay ours: a second Ctrl-C ends the process at once and could restore nothing.
      hideCursor: false,
      linewrap: true,
      gracefulExit: false,
      clearOnComplete: true,
    });
  }

  update(done: number, total: number, text: string): void {
    const payload = { text: printable(text).slice(0, 40) };
    if (!this.#started) this.#bar?.start(total, done, payload);
    // Reference tables are counted before tenants: the total may change on the way.
    this.#bar?.setTotal(total);
    this.#bar?.update(done, payload);
    this.#started = true;
  }

  [Symbol.dispose](): void {
    if (this.#started) this.#bar?.stop();
    this.#started = false;
  }
}
