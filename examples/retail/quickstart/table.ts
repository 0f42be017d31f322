/** Rows as aligned columns under their titles; columns of numbers stand right. */
export function table(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const titles = Object.keys(rows[0] ?? {});
  const cells = rows.map((row) => titles.map((title) => shown(row[title] ?? '')));
  const widths = titles.map((title, index) => Math.max(title.length, ...cells.map((line) => line[index]!.length)));
  const right = titles.map((title) => rows.every((row) => typeof row[title] === 'number'));
  const line = (texts: readonly string[]): string =>
    `  ${texts.map((text, index) => (right[index] ? text.padStart(widths[index]!) : text.padEnd(widths[index]!))).join('  ')}`.trimEnd();
  return [line(titles), line(widths.map((width) => '─'.repeat(width))), ...cells.map(line)].join('\n');
}

/** Files and errors hold text of strangers: a terminal must not obey it. */
function shown(value: string | number): string {
  return String(value).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '·');
}
