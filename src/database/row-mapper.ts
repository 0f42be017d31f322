import type { SelectedFieldsOrdered } from 'drizzle-orm/pg-core';
import { withoutHiddenColumns } from './hidden-column.ts';
import { type RowMapping, rowClosures } from './row-closures.ts';
import { canGenerateCode, rowCode } from './row-code.ts';
import { type JoinsNotNullable, type RowLayout, rowLayout } from './row-layout.ts';

export interface RowMapperOptions {
  /** Whether code may be generated; what the process allows when left out. */
  readonly generate?: boolean;
}

/** Making a function costs about as much as mapping this many rows without one. */
const rowsBeforeCode = 64;

/**
 * Maps rows as drizzle's `mapResultRow` does, without going through the fields again for every row: by closures first, by generated code
 * once enough rows came.
 */
export class RowMapper {
  readonly #layout: RowLayout;
  readonly #generate: boolean;
  #mapping: RowMapping;
  /** Whether the selection names hidden columns, which are not read. */
  readonly #narrowed: boolean;
  #rows = 0;
  #generated = false;

  constructor(fields: SelectedFieldsOrdered, joinsNotNullable: JoinsNotNullable, { generate = canGenerateCode() }: RowMapperOptions = {}) {
    const read = withoutHiddenColumns(fields);
    this.#narrowed = read !== fields;
    this.#layout = rowLayout(read, joinsNotNullable);
    this.#generate = generate;
    this.#mapping = rowClosures(this.#layout);
  }

  /** Whether rows go through generated code by now. */
  get generated(): boolean {
    return this.#generated;
  }

  /** @param fields those of the query that answered; of the mapper's own they may differ in the decoders of expressions only */
  map(rows: readonly (readonly unknown[])[], fields: SelectedFieldsOrdered): unknown[] {
    if (!this.#generated && this.#generate) {
      this.#rows += rows.length;
      if (this.#rows >= rowsBeforeCode) {
        this.#mapping = rowCode(this.#layout);
        this.#generated = true;
      }
    }
    return this.#mapping(rows, this.#narrowed ? withoutHiddenColumns(fields) : fields);
  }
}
