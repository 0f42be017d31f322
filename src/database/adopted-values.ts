import { is, Param } from 'drizzle-orm';
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import { EncryptedColumnError } from '../errors.ts';
import { unboundValue } from './bound-value.ts';
import { columnsOf } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { givenOrGenerated } from './generated-value.ts';
import { perTable } from './per-table.ts';
import { type PlaintextColumn, plaintextColumnOf } from './plaintext-column.ts';

type Values = Record<string, unknown>;

interface AdoptingColumn {
  readonly key: string;
  readonly column: EncryptedColumn;
  readonly plainKey: string;
  readonly plainColumn: PlaintextColumn;
}

/** The parameters that were made here: a plaintext column takes no others. */
const made = new WeakSet<object>();

const adoptingColumns = perTable((table): readonly AdoptingColumn[] => {
  const entries = Object.entries(columnsOf(table));
  return entries.flatMap(([key, candidate]) => {
    if (!(candidate instanceof EncryptedColumn)) return [];
    const column: EncryptedColumn = candidate;
    const plainColumn = plaintextColumnOf(table, column);
    const plainKey = entries.find(([, other]) => (other as unknown) === plainColumn)?.[0];
    return plainColumn === undefined || plainKey === undefined ? [] : [{ key, column, plainKey, plainColumn }];
  });
});

/** Whether a table takes plaintext columns over. */
export function adoptsColumns(table: PgTable): boolean {
  return adoptingColumns(table).length > 0;
}

/**
 * A row of an insert, or the set of an update, with each value in the column that it is to be written to, and NULL in the other of the two:
 * a row that had both would be read as the one while a release from before reads the other.
 *
 * @throws {EncryptedColumnError} when the caller gives the plaintext column itself
 */
export function withAdoptedValues(kind: 'insert' | 'update', table: PgTable, values: Values): Values {
  let all = values;
  for (const { key, column, plainKey, plainColumn } of adoptingColumns(table)) {
    const existing = values[plainKey];
    if (typeof existing === 'object' && existing !== null && made.has(existing)) continue;
    if (existing !== undefined) {
      throw new EncryptedColumnError(
        `${plainColumn.name} holds plaintext that ${column.name} takes over, and is written by the library only.`,
        {
          hint: `Write ${column.name}.`,
        },
      );
    }
    const writesPlaintext = column.adoption?.write === 'plaintext';
    const value = givenOrGenerated(kind, column as unknown as PgColumn, values[key]);
    // Left out of a row, PostgreSQL could still have a default for it.
    const emptied = kind === 'insert' && !writesPlaintext;
    if (value === undefined && !emptied) continue;
    if (all === values) all = { ...values };
    if (value !== undefined) all[key] = value;
    // Anything else is refused when the encrypted column itself is written.
    if (value !== undefined && !is(value, Param)) continue;
    const plaintext = new Param(writesPlaintext ? unboundValue(value?.value) : null, plainColumn);
    made.add(plaintext);
    all[plainKey] = plaintext;
    if (writesPlaintext) all[key] = new Param(null, column as unknown as PgColumn);
  }
  return all;
}
