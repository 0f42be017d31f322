import type { SilentQuestion } from '../audit/silent-question.ts';
import type { Statement } from '../connection/statement.ts';
import type { Route } from '../routing/route.ts';
import { statementFingerprint } from '../telemetry/statement-fingerprint.ts';
import type { Scope } from '../tenant/scope.ts';
import { type ComparedValue, type KeyedStatement, keyedStatement } from './keyed-statement.ts';
import { type TableKey, tableKeys } from './table-keys.ts';

/** Of one statement: who lists more keys gets the first ones asked about. */
const maxRows = 20;
const maxTexts = 500;
const maxValueLength = 1_000;

/**
 * Notices statements that name rows by a key and come back with nothing, and asks about those rows. All it knows is that: whether a row is
 * another tenant's is found out elsewhere, later, and told to nobody here.
 */
export class SilentAnswers {
  readonly #keys: ReadonlyMap<string, readonly TableKey[]>;
  readonly #ask: (question: SilentQuestion) => void;
  readonly #texts = new Map<string, KeyedStatement | undefined>();

  constructor(schema: Readonly<Record<string, unknown>>, ask: (question: SilentQuestion) => void) {
    this.#keys = tableKeys(schema);
    this.#ask = ask;
  }

  /**
   * Takes a statement that came back with nothing.
   *
   * @param text as it is fingerprinted for the audit log: without the tenant's schema
   */
  note(
    { placement, tenant }: Pick<Route, 'placement' | 'tenant'>,
    { requestId }: Scope,
    text: string,
    { params }: Pick<Statement, 'params'>,
  ): void {
    // Other isolations share no table: there the row that a key names is nowhere but in the tenant's own.
    if (placement.isolation !== 'row') return;
    const statement = this.#parsed(text);
    if (statement === undefined) return;
    const key = this.#keys.get(statement.table)?.find(({ columns }) => columns.every((column) => statement.columns.has(column)));
    if (key === undefined) return;
    const { clusterId, database, schema } = placement;
    const place = { clusterId, database, schema, table: statement.table, columns: [...key.columns], primary: key.primary };
    const asked = {
      at: new Date().toISOString(),
      tenantId: tenant.id,
      requestId,
      statementFingerprint: statementFingerprint(text),
      ...place,
    };
    for (const values of rowsOf(key.columns.map((column) => textsOf(statement.columns.get(column) ?? [], params))))
      this.#ask({ ...asked, values });
  }

  #parsed(text: string): KeyedStatement | undefined {
    if (this.#texts.has(text)) return this.#texts.get(text);
    // Raw SQL's texts have no end.
    if (this.#texts.size >= maxTexts) this.#texts.clear();
    const parsed = keyedStatement(text);
    this.#texts.set(text, parsed);
    return parsed;
  }
}

function textsOf(values: readonly ComparedValue[], params: readonly unknown[]): readonly string[] {
  const texts: string[] = [];
  for (const value of values) {
    const given = 'literal' in value ? value.literal : params[value.param];
    for (const one of Array.isArray(given) ? given : [given]) {
      const text = textOf(one);
      if (text !== undefined && text.length <= maxValueLength && !text.includes('\0')) texts.push(text);
      if (texts.length === maxRows) return texts;
    }
  }
  return texts;
}

/** A value as PostgreSQL reads it from text; undefined for those that no key is made of. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (value instanceof Date) return value.toISOString();
  return Buffer.isBuffer(value) ? `\\x${value.toString('hex')}` : undefined;
}

/** One of each column's values, in every combination. */
function rowsOf(columns: readonly (readonly string[])[]): readonly string[][] {
  let rows: string[][] = [[]];
  for (const values of columns) rows = rows.flatMap((row) => values.map((value) => [...row, value])).slice(0, maxRows);
  return rows;
}
