import { type TagDefinition, wholeTag } from '../crypto/blind-tag.ts';
import { EncryptedColumnError } from '../errors.ts';
import type { BlindIndex } from './blind-index.ts';
import { BlindIndexValue } from './deferred.ts';
import type { PlaintextFormat } from './plaintext-format.ts';

/** The name of the column that holds a column's tags. */
export function indexColumnName(column: string): string {
  return `${column}_index`;
}

/** The blind index of one column of one table. It is the encoder of what is compared with the column, and of what is stored beside it. */
export class ColumnIndex {
  readonly definition: TagDefinition;
  /** The name of the column that holds the tags. */
  readonly columnName: string;
  readonly #label: string;
  readonly #format: PlaintextFormat<unknown>;

  constructor(table: string, column: string, { normalise, bits, name }: BlindIndex, format: PlaintextFormat<unknown>) {
    const key = name === undefined ? { table, column } : { table: '', column: name };
    this.definition = Object.freeze({ ...key, normalise, bits: bits ?? wholeTag });
    this.columnName = indexColumnName(column);
    this.#label = `${table}.${column}`;
    this.#format = format;
    Object.freeze(this);
  }

  /** Whether unequal values may have equal tags. */
  get truncated(): boolean {
    return this.definition.bits !== wholeTag;
  }

  /** Whether equal values have equal tags in both. */
  matches({ definition }: ColumnIndex): boolean {
    const { table, column, normalise, bits } = this.definition;
    return table === definition.table && column === definition.column && normalise === definition.normalise && bits === definition.bits;
  }

  /** @throws {EncryptedColumnError} when the value is not of the column's type */
  mapToDriverValue(value: unknown): BlindIndexValue {
    const bytes = this.#format.indexed?.(value, this.definition.normalise);
    if (bytes === undefined) {
      throw new EncryptedColumnError(`${this.#label} was given a value that is not ${this.#format.expects}.`, {
        hint: 'Give what the column’s TypeScript type says.',
      });
    }
    return new BlindIndexValue(this.definition, bytes);
  }
}
