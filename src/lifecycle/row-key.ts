import { quoteIdentifier } from '../sql/identifier.ts';

/** A table's primary key without tenant_id, with types as SQL casts to them. */
export type RowKey = readonly { readonly name: string; readonly type: string }[];

/** The SQL of a table's key, where the table goes by `t` and rows that were given by `g`. */
export const rowKeySql = {
  /** Each part of the key. */
  parts: (key: RowKey): readonly string[] => key.map(({ name }) => `t.${quoteIdentifier(name)}`),
  /** The key as an array of texts. */
  asTexts: (key: RowKey): string =>
    `json_build_array(${rowKeySql
      .parts(key)
      .map((part) => `${part}::text`)
      .join(', ')})`,
  /** In the order of the key; nothing where there is none beside tenant_id, and so one row at most. */
  ordered: (key: RowKey): string => (key.length === 0 ? '' : `order by ${rowKeySql.parts(key).join(', ')}`),
  /** Beyond a key, whose parts are parameters from this one on. */
  beyond: (key: RowKey, parameter: number): string =>
    `(${rowKeySql.parts(key).join(', ')}) > (${key.map(({ type }, n) => `$${parameter + n}::text::${type}`).join(', ')})`,
  /** The columns of given rows that hold their keys. */
  given: (key: RowKey): readonly string[] => key.map((_, n) => `k${n} text`),
  /** That a row is the given one. */
  same: (key: RowKey): readonly string[] => key.map(({ name, type }, n) => `t.${quoteIdentifier(name)} = g.k${n}::${type}`),
};

/** A row's key as members of the object that it is given as. */
export function givenKey(key: readonly string[]): Record<string, string> {
  return Object.fromEntries(key.map((part, n) => [`k${n}`, part]));
}
