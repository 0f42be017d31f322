/** Undo actions of the steps done so far; run newest first when a later step fails. */
export class Compensation {
  readonly #undo: { readonly step: string; readonly action: () => Promise<void> }[] = [];

  /** Registers what undoes a step that has just been done. */
  add(step: string, action: () => Promise<void>): void {
    this.#undo.push({ step, action });
  }

  /**
   * Undoes every registered step. A failing undo does not keep the others from running: what is left behind is returned, so that
   * the error can name it.
   */
  async run(): Promise<readonly { readonly step: string; readonly error: unknown }[]> {
    const failed: { step: string; error: unknown }[] = [];
    for (const { step, action } of this.#undo.splice(0).reverse()) {
      try {
        await action();
      } catch (error) {
        failed.push({ step, error });
      }
    }
    return failed;
  }
}
