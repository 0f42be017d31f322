import type { SelectedFieldsOrdered } from 'drizzle-orm/pg-core';
import { type Decoder, decoderOf, type RowEntry, type RowLayout } from './row-layout.ts';

/** Turns driver rows (columns in order) into the objects that the caller selected; the fields bring the decoders of their expressions. */
export type RowMapping = (rows: readonly (readonly unknown[])[], fields: SelectedFieldsOrdered) => unknown[];

/** Maps rows without generating code: for statements that run seldom, and for processes that forbid it. */
export function rowClosures({ columns, entries }: RowLayout): RowMapping {
  const make = objectMaker(entries);
  return (rows, fields) => {
    const decoders = columns.map((reading, i): Decoder | undefined => {
      if (reading === 'same') return undefined;
      return reading === 'given' ? decoderOf(fields[i]!.field) : reading;
    });
    const values: unknown[] = new Array(columns.length);
    return rows.map((row) => {
      for (let i = 0; i < decoders.length; i += 1) {
        const decoder = decoders[i];
        const value = row[i];
        values[i] = value === null || decoder === undefined ? value : decoder.mapFromDriverValue(value);
      }
      return make(values);
    });
  };
}

type Maker = (values: readonly unknown[]) => unknown;

function objectMaker(entries: readonly RowEntry[]): Maker {
  const keys = entries.map(({ key }) => key);
  const makers = entries.map((entry): Maker => {
    if ('column' in entry) return (values) => values[entry.column];
    const make = objectMaker(entry.entries);
    const { nullWith } = entry;
    return nullWith === undefined ? make : (values) => (values[nullWith] === null ? null : make(values));
  });
  return (values) => {
    const object: Record<string, unknown> = {};
    for (let i = 0; i < keys.length; i += 1) setOwn(object, keys[i]!, makers[i]!(values));
    return object;
  };
}

/** Assigning to `__proto__` would set the prototype. */
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  else object[key] = value;
}
