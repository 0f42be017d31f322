import { type Column, is, Param, Placeholder } from 'drizzle-orm';
import type { ColumnIndex } from './column-index.ts';
import { BlindIndexValue } from './deferred.ts';
import { isAlias, rangeNameOf, schemaOf } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { encryptedUse, refuseThroughView } from './encrypted-use.ts';
import { type IndexComparison, requireExactValues, requireIndex, requireSharedIndex, truncatedUse } from './index-comparison.ts';
import type { RangeNames } from './range-names.ts';
import { quoted, type StatementText } from './statement-text.ts';

/** Writes columns into a statement: encrypted ones with what stands beside them, and comparisons by their indexes. */
export class ColumnWriter {
  readonly #text: StatementText;
  readonly #names: RangeNames;

  constructor(text: StatementText, names: RangeNames) {
    this.#text = text;
    this.#names = names;
  }

  column(column: Column, name = column.name): void {
    this.#text.raw(columnText(column, name));
  }

  /** As a field it keeps its name: a subquery's columns are known by their names. */
  field(column: EncryptedColumn): void {
    if (!this.read(column)) return;
    this.#text.raw(' as ');
    this.#text.name(column.name);
  }

  /** @returns whether more stands there than the column */
  read(column: EncryptedColumn): boolean {
    this.#text.touchEncrypted();
    return this.whole(column);
  }

  /** A column as its rows are read or asked for null. A subquery has made of it already what that takes. */
  whole(column: EncryptedColumn): boolean {
    const from = this.#names.derivedAs(rangeNameOf(column.table));
    if (from === 'view') refuseThroughView(column);
    const sql = from === undefined ? column.readSql((name) => columnText(column as unknown as Column, name)) : undefined;
    if (sql === undefined) this.column(column as unknown as Column);
    else this.#text.raw(sql);
    return sql !== undefined;
  }

  /** In parentheses: whatever stands around it, tags are compared with tags. */
  comparison({ column, operator, right }: IndexComparison, filtered = false): void {
    const index = requireIndex(column);
    if (index.truncated && !filtered) throw truncatedUse(column);
    this.#text.raw('(');
    this.#tags(column, index);
    this.#text.raw(operator);
    if (right instanceof EncryptedColumn) {
      requireSharedIndex(column, right);
      this.#tags(right, requireIndex(right));
    } else this.#operand(column, right, (value) => this.#tag(value, column, index));
    if (column.adoption !== undefined) {
      requireExactValues(column, operator, right);
      this.#orPlaintext(column, column.adoption.column, operator, right);
    }
    this.#text.raw(')');
  }

  /**
   * A row whose value is plaintext yet may have no tag, or one of before a release that knows no tags wrote it. Each of the two is false, and
   * not NULL, in rows of the other kind: `not` finds what equality does not.
   */
  #orPlaintext(column: EncryptedColumn, plaintext: string, operator: string, right: unknown): void {
    const name = columnText(column as unknown as Column, plaintext);
    this.#text.raw(` and ${name} is null or ${name} is not null and ${name}${operator}`);
    this.#operand(column, right, (value) => this.#plaintext(value, column));
  }

  #operand(column: EncryptedColumn, right: unknown, write: (value: unknown) => void): void {
    if (!Array.isArray(right)) return write(right);
    if (right.length === 0) throw encryptedUse(column, 'be looked for in an empty list');
    right.forEach((value, i) => {
      this.#text.raw(i === 0 ? '(' : ', ');
      write(value);
    });
    this.#text.raw(')');
  }

  #plaintext(given: unknown, column: EncryptedColumn): void {
    const encoder = { mapToDriverValue: (value: unknown) => column.toPlainDriverValue(value) };
    const value: unknown = is(given, Param) ? given.value : given;
    if (is(value, Placeholder)) this.#text.param(new Param(value, encoder));
    else this.#text.param(value === null ? null : encoder.mapToDriverValue(value));
  }

  #tags(column: EncryptedColumn, { columnName }: ColumnIndex): void {
    if (this.#names.derivedAs(rangeNameOf(column.table)) !== undefined)
      throw encryptedUse(column, 'be compared through a subquery or a view', 'Compare it inside, where its table is selected from.');
    this.column(column as unknown as Column, columnName);
  }

  #tag(given: unknown, column: EncryptedColumn, index: ColumnIndex): void {
    const param = is(given, Placeholder) ? new Param(given, index) : given;
    if (!is(param, Param)) throw encryptedUse(column, 'be compared with SQL: the database has no key');
    const { value } = param;
    const encoder = param.encoder instanceof EncryptedColumn ? index : param.encoder;
    if (is(value, Placeholder)) {
      this.#text.touchEncrypted();
      return this.#text.param(new Param(value, index));
    }
    const tag: unknown = value === null ? null : encoder.mapToDriverValue(value);
    if (tag !== null && !(tag instanceof BlindIndexValue)) throw encryptedUse(column, 'be compared with a value of another type');
    if (tag !== null) this.#text.touchEncrypted();
    this.#text.param(tag);
  }
}

function columnText(column: Column, name: string): string {
  const { table } = column;
  const schema = schemaOf(table);
  const parts = [rangeNameOf(table), name];
  if (schema !== undefined && !isAlias(table)) parts.unshift(schema);
  return parts.map(quoted).join('.');
}
