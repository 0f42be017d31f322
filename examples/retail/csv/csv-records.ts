import { parse } from 'csv-parse/sync';

/** One record with the number of the physical line that it begins on, or why that line makes no record. */
export type CsvRecord =
  | { readonly line: number; readonly fields: readonly string[]; readonly reason?: never }
  | { readonly line: number; readonly fields?: never; readonly reason: string };

/** How many lines a quoted field may run over. */
const maxRun = 5;

/**
 * Reads CSV records so that a mistake costs its own line only. A parser over the whole file can't do that: a quote that is never closed
 * takes everything after it along. So each line is parsed by itself, together with the next ones only while a quote is open and only
 * if that makes a record of the right width.
 *
 * @param lines physical lines
 * @param width how many fields a record has
 */
export async function* csvRecords(lines: AsyncIterable<string>, width: number): AsyncGenerator<CsvRecord> {
  const source = lines[Symbol.asyncIterator]();
  const waiting: string[] = [];
  const take = async (): Promise<string | undefined> => {
    if (waiting.length > 0) return waiting.shift();
    const next = await source.next();
    return next.done === true ? undefined : next.value;
  };
  try {
    let line = 0;
    for (let text = await take(); text !== undefined; text = await take()) {
      line += 1;
      if (text.trim() === '') continue;
      const ahead: string[] = [];
      let fields = parseRecord(text);
      while (fields === 'open' && ahead.length + 1 < maxRun) {
        const next = await take();
        if (next === undefined) break;
        ahead.push(next);
        fields = parseRecord([text, ...ahead].join('\n'));
      }
      if (Array.isArray(fields) && (ahead.length === 0 || fields.length === width)) {
        yield { line, fields };
        line += ahead.length;
      } else {
        waiting.unshift(...ahead);
        yield { line, reason: fields === 'open' || ahead.length > 0 ? 'a quote is not closed' : 'a quote stands in the wrong place' };
      }
    }
  } finally {
    await source.return?.();
  }
}

function parseRecord(text: string): string[] | 'open' | 'broken' {
  // Quotes mean something only at the beginning of a field: 7" is seven inches.
  if (!/(?:^|,)"/.test(text)) return text.split(',');
  try {
    return parse(text, { relax_column_count: true })[0] ?? 'broken';
  } catch (error) {
    return (error as { code?: unknown }).code === 'CSV_QUOTE_NOT_CLOSED' ? 'open' : 'broken';
  }
}
