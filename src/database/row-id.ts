import { is, Placeholder } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import { EncryptedColumnError } from '../errors.ts';

type TextForm = (value: unknown, column: PgColumn) => string | undefined;

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const integer = /^(?:0|-?[1-9]\d*)$/;

const textForms: Readonly<Record<string, TextForm>> = {
  PgUUID: (value) => {
    const text = typeof value === 'string' ? value.toLowerCase() : '';
    return uuid.test(text) ? text : undefined;
  },
  PgText: (value) => (typeof value === 'string' ? value : undefined),
  // PostgreSQL cuts off spaces that are too many, and says nothing.
  PgVarchar: (value, { length }: PgColumn & { readonly length?: number }) =>
    typeof value === 'string' && (length === undefined || [...value].length <= length) ? value : undefined,
  PgInteger: integerText,
  PgBigInt53: integerText,
  PgBigInt64: integerText,
};

function integerText(value: unknown): string | undefined {
  if (typeof value === 'string') return integer.test(value) ? value : undefined;
  return typeof value === 'bigint' || Number.isSafeInteger(value) ? String(value) : undefined;
}

/** Whether PostgreSQL has one text form for each value of a column, which {@link rowIdText} knows; by drizzle's name of the type. */
export function mayBeRowId(columnType: string): boolean {
  return Object.hasOwn(textForms, columnType);
}

/**
 * A row's id as PostgreSQL writes it in text, which is what values are bound to: the same id given in two ways must not be two.
 *
 * @throws {EncryptedColumnError} when PostgreSQL could write this value in another way
 */
export function rowIdText(label: string, column: PgColumn, value: unknown): string {
  const text = is(value, Placeholder) ? undefined : textForms[column.columnType]?.(value, column);
  if (text !== undefined) return text;
  throw new EncryptedColumnError(`${label} is bound to its row by ${column.name}, which was given a value that is no plain id.`, {
    hint: 'Give a UUID with its hyphens, a text that fits the column, or a whole number without leading zeros.',
  });
}
