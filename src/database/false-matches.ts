import type { StatementResult } from '../connection/statement.ts';
import type { CompiledQuery } from './compiled-query.ts';
import { BlindIndexValue } from './deferred.ts';
import { filled } from './resolve-params.ts';

/**
 * The result less the rows that a truncated index let through for another value; called with the decryption keys at hand. The columns that
 * the filters read stay at the end of each row, where no mapping looks.
 *
 * @throws {DecryptionError} when a value can't be opened
 */
export function withoutFalseMatches(
  { rowFilters, params }: CompiledQuery,
  values: Record<string, unknown>,
  result: StatementResult,
): StatementResult {
  const wanted = rowFilters.map(({ column, fromEnd, params: places }) => ({
    column,
    fromEnd,
    texts: new Set(places.map((place) => textOf(filled(params[place], values)))),
  }));
  const rows = (result.rows as readonly (readonly unknown[])[]).filter((row) =>
    wanted.every(({ column, fromEnd, texts }) => {
      const stored = row[row.length - fromEnd];
      if (stored === null) return false;
      return texts.has(textOf(column.index?.mapToDriverValue(column.mapFromDriverValue(stored as never))));
    }),
  );
  return { ...result, rows, rowCount: rows.length };
}

/** Of a null there is none, and it equals nothing. */
function textOf(value: unknown): string | undefined {
  return value instanceof BlindIndexValue ? value.plaintext.toString('latin1') : undefined;
}
