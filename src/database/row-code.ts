import type { RowMapping } from './row-closures.ts';
import { type Decoder, decoderOf, type RowEntry, type RowLayout } from './row-layout.ts';

let allowed: boolean | undefined;

/** Whether this process lets code be made from text; `--disallow-code-generation-from-strings` forbids it. */
export function canGenerateCode(): boolean {
  if (allowed === undefined) {
    try {
      allowed = new Function('return true')() === true;
    } catch {
      allowed = false;
    }
  }
  return allowed;
}

/**
 * The mapping as a function of its own. What goes into its text is numbers and quoted keys; columns and decoders are passed in, values
 * never meet it.
 */
export function rowCode(layout: RowLayout): RowMapping {
  const fixed = layout.columns.map((reading) => (typeof reading === 'string' ? undefined : reading));
  const make = new Function('fixed', 'decoderOf', rowSource(layout)) as (
    columns: readonly (Decoder | undefined)[],
    decoder: typeof decoderOf,
  ) => RowMapping;
  return make(fixed, decoderOf);
}

/** The text of {@link rowCode}'s function. */
export function rowSource({ columns, entries }: RowLayout): string {
  const fixed: string[] = [];
  const given: string[] = [];
  const reads: string[] = [];
  columns.forEach((reading, i) => {
    if (reading === 'same') {
      reads.push(`const v${i} = row[${i}];`);
      return;
    }
    const [where, from] = reading === 'given' ? [given, `decoderOf(fields[${i}].field)`] : [fixed, `fixed[${i}]`];
    where.push(`const d${i} = ${from}, f${i} = d${i}.mapFromDriverValue;`);
    reads.push(`let v${i} = row[${i}]; if (v${i} !== null) v${i} = f${i}.call(d${i}, v${i});`);
  });
  return `'use strict';
${fixed.join('\n')}
return (rows, fields) => {
${given.join('\n')}
const mapped = [];
for (let i = 0; i < rows.length; i += 1) {
const row = rows[i];
${reads.join('\n')}
mapped.push(${objectSource(entries)});
}
return mapped;
};`;
}

function objectSource(entries: readonly RowEntry[]): string {
  return `{ ${entries.map((entry) => `${keySource(entry.key)}: ${valueSource(entry)}`).join(', ')} }`;
}

function valueSource(entry: RowEntry): string {
  if ('column' in entry) return `v${entry.column}`;
  const object = objectSource(entry.entries);
  return entry.nullWith === undefined ? object : `v${entry.nullWith} === null ? null : ${object}`;
}

/** A key as a string literal: JSON's, with the two line ends that JSON leaves bare. */
function keySource(key: string): string {
  const literal = JSON.stringify(key).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
  // As a plain key it would set the object's prototype.
  return key === '__proto__' ? `[${literal}]` : literal;
}
