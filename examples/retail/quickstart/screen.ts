/** What the quickstart says on stdout. */
export class Screen {
  readonly #begun = performance.now();

  print(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** Announces some work on a terminal, does it, and says how long it took. */
  async stage<T>(title: string, work: () => Promise<T>): Promise<T> {
    const begun = performance.now();
    const terminal = process.stdout.isTTY === true;
    if (terminal) process.stdout.write(`… ${title}\r`);
    const result = await work();
    if (terminal) process.stdout.write('\x1b[2K');
    this.print(`✓ ${title} (${seconds(begun)})`);
    return result;
  }

  verdict(off: readonly string[]): void {
    for (const text of off) this.print(`OFF ${text}`);
    const count = off.length === 1 ? '1 thing is' : `${off.length} things are`;
    this.print(off.length === 0 ? `\nAll is right, after ${seconds(this.#begun)}.` : `\n${count} off, after ${seconds(this.#begun)}.`);
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1_000).toFixed(1)} s`;
}
