import { is, Name, StringChunk } from 'drizzle-orm';
import { TenantIdColumn } from './tenant-id-column.ts';

/**
 * Reading of hand-written fragments, `sql\`… from ${products} …\``, as far as scoping needs it. What is not recognised is left as it stands:
 * an unqualified name finds no table outside raw statements, and row-level security holds wherever a name is spelled out.
 */

/** Whether a table is read from, written to, or only mentioned (`row_to_json(${products})`), judged by the text before it. */
export function useOfTable(textBefore: string): 'read' | 'write' | 'mention' {
  const tail = textBefore.slice(-80);
  if (/(?:^|[^\w$])(?:delete\s+from|insert\s+into|merge\s+into|update|truncate|table)\s+(?:only\s+)?$/i.test(tail)) return 'write';
  return /(?:^|[^\w$])(?:from|join|using|only)\s+$/i.test(tail) ? 'read' : 'mention';
}

const clauses = new Set([
  'where',
  'join',
  'inner',
  'left',
  'right',
  'full',
  'cross',
  'natural',
  'on',
  'using',
  'group',
  'order',
  'having',
  'limit',
  'offset',
  'fetch',
  'for',
  'union',
  'intersect',
  'except',
  'window',
  'tablesample',
  'set',
  'returning',
]);

/** Whether the text after a table chunk gives it an alias of its own: `from ${products} p`. */
export function aliasFollows(chunks: readonly unknown[], index: number): boolean {
  const after = chunks[index + 1];
  if (!is(after, StringChunk)) return false;
  const text = after.value.join('');
  if (/^\s+(?:as\s+)?$/i.test(text)) return is(chunks[index + 2], Name);
  const word = /^\s+(?:as\s+)?("|[a-z_][\w$]*)/i.exec(text)?.[1];
  return word !== undefined && !clauses.has(word.toLowerCase());
}

const comparison = /^\s*(?:=|<>|!=|in)\s*$/i;

/** The tenant_id column that a bare value or placeholder is compared with; drizzle gives those no encoder. */
export function comparedTenantId(chunks: readonly unknown[], index: number): TenantIdColumn | undefined {
  return tenantIdAcross(chunks[index - 1], chunks[index - 2]) ?? tenantIdAcross(chunks[index + 1], chunks[index + 2]);
}

function tenantIdAcross(operator: unknown, operand: unknown): TenantIdColumn | undefined {
  if (!(operand instanceof TenantIdColumn) || !is(operator, StringChunk)) return undefined;
  return comparison.test(operator.value.join('')) ? operand : undefined;
}

/** Whether a column chunk stands in `… is null` or `… is not null`, which needs no plaintext. */
export function testedForNull(chunks: readonly unknown[], index: number): boolean {
  const after = chunks[index + 1];
  return is(after, StringChunk) && /^\s+is\s+(?:not\s+)?null\b/i.test(after.value.join(''));
}

/** Whether a chunk's elements are those of drizzle's own `json_build_array(…)`, whose members are mapped back like fields. */
export function isJsonRow(chunks: readonly unknown[], index: number): boolean {
  const before = chunks[index - 1];
  return is(before, StringChunk) && before.value.join('').endsWith('json_build_array(');
}
