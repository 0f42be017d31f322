/** How a cell is painted once it has been padded. */
export type Paint = (text: string) => string;

/** One column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number | undefined;
  readonly align?: 'left' | 'right' | undefined;
  readonly paint?: ((row: Row) => Paint | undefined) | undefined;
}

/**
 * Rows as aligned columns under a line of titles. Control and direction characters are made visible: cells hold names and reasons that
 * strangers chose, and a terminal must not obey them.
 *
 * @returns lines that end in a line feed
 */
export function renderTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[], titlePaint: Paint = (text) => text): string {
  const cells = rows.map((row) => columns.map((column) => printable(String(column.value(row) ?? '-'))));
  const widths = columns.map((column, index) => Math.max(column.title.length, ...cells.map((line) => [...line[index]!].length)));
  const pad = (text: string, index: number): string => {
    const space = ' '.repeat(Math.max(0, widths[index]! - [...text].length));
    return columns[index]!.align === 'right' ? space + text : index === columns.length - 1 ? text : text + space;
  };
  const title = columns.map((column, index) => titlePaint(pad(column.title, index))).join('  ');
  const body = cells.map((line, at) =>
    line.map((cell, index) => (columns[index]!.paint?.(rows[at]!) ?? ((text: string) => text))(pad(cell, index))).join('  '),
  );
  return [title, ...body].map((line) => `${line.trimEnd()}\n`).join('');
}

/** A text in which nothing but ordinary characters is left: the rest is written as `\u{…}`. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
