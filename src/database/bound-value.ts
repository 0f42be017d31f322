import { is, Placeholder } from 'drizzle-orm';

/**
 * A value of a column that is bound to its row, and the row's id. Either may be a placeholder until the statement runs. The column encodes
 * both into one ciphertext.
 */
export class BoundValue {
  readonly #value: unknown;
  readonly #rowId: unknown;

  constructor(value: unknown, rowId: unknown) {
    this.#value = value;
    this.#rowId = rowId;
  }

  get value(): unknown {
    return this.#value;
  }

  /** As the caller gave it. */
  get rowId(): unknown {
    return this.#rowId;
  }

  /** Whether a placeholder is still to be filled. */
  get open(): boolean {
    return is(this.#value, Placeholder) || is(this.#rowId, Placeholder);
  }

  /** With placeholders' values in their places. */
  filled(valueFor: (placeholder: Placeholder) => unknown): BoundValue {
    const fill = (part: unknown): unknown => (is(part, Placeholder) ? valueFor(part as Placeholder) : part);
    return new BoundValue(fill(this.#value), fill(this.#rowId));
  }
}

/** A parameter's value without the row that it is bound to. */
export function unboundValue(value: unknown): unknown {
  return value instanceof BoundValue ? value.value : value;
}
