import { isAlias, isCollection, isMap, isNode, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml';
import type { ConfigPath } from './config-path.ts';

/** The formats that configuration files are written in. */
export type ConfigFormat = 'yaml' | 'json';

/** A place in a file; both count from 1. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

/** One thing that kept a text from being read as a document. */
export interface SyntaxIssue extends TextPosition {
  readonly message: string;
}

/** A document as plain values, with the place in the text of each path. */
export interface ConfigDocument {
  readonly value: unknown;
  readonly syntaxIssues: readonly SyntaxIssue[];
  /**
   * Where a path stands in the text: its value, or with `atKey` its key. What is not there is looked for at its parent.
   */
  locate(path: ConfigPath, atKey?: boolean): TextPosition;
}

/** A configuration longer than this, in characters, is a mistake or an attack. */
const maxLength = 256 * 1024;

/** Aliases that a document may expand: enough for a repeated list, too few for a bomb. */
const maxAliases = 16;

/**
 * Reads one YAML 1.2 or JSON document. Duplicate keys, unknown tags, several documents in one text, keys that are no scalars and aliases
 * that multiply are refused; merge keys (`<<`) are no part of YAML 1.2 and stay plain, unknown keys.
 *
 * @returns the document; its `value` is undefined when `syntaxIssues` holds any
 */
export function readConfigDocument(text: string, format: ConfigFormat): ConfigDocument {
  if (text.length > maxLength) return failed([{ line: 1, column: 1, message: `is longer than ${maxLength / 1024} KiB` }]);
  const source = text.startsWith('\uFEFF') ? text.slice(1) : text;
  if (tooDeep(source)) return failed([{ line: 1, column: 1, message: 'is nested too deeply' }]);
  const json = format === 'json' ? jsonIssue(source) : undefined;
  if (json !== undefined) return failed([json]);

  const lineCounter = new LineCounter();
  const document = parseDocument(source, { lineCounter, prettyErrors: false, uniqueKeys: true, stringKeys: true, logLevel: 'error' });
  const at = (offset: number): TextPosition => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const issues: SyntaxIssue[] = [...document.errors, ...document.warnings].map((error) => ({
    ...at(error.pos[0]),
    message: describe(error.code, error.message),
  }));
  let aliases = 0;
  visit(document, {
    Alias: (_, node) => {
      aliases += 1;
      if (aliases === maxAliases + 1) issues.push({ ...at(node.range?.[0] ?? 0), message: `more than ${maxAliases} aliases` });
    },
  });
  if (issues.length > 0) return failed(issues);

  const locate = (path: ConfigPath, atKey = false): TextPosition => at(offsetOf(document.contents, path, atKey));
  try {
    return { value: document.toJS({ maxAliasCount: maxAliases }), syntaxIssues: [], locate };
  } catch {
    return failed([{ line: 1, column: 1, message: 'an alias names no anchor, itself, or expands to too much' }]);
  }
}

function failed(syntaxIssues: readonly SyntaxIssue[]): ConfigDocument {
  return { value: undefined, syntaxIssues, locate: () => ({ line: 1, column: 1 }) };
}

/** Seen from outside, since the parser answers some hundred kilobytes of nesting with an exhausted stack or heap. */
function tooDeep(text: string): boolean {
  if (/^[ \t?:-]{200}/m.test(text)) return true;
  let open = 0;
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    open = Math.max(0, open + (bracket === '[' || bracket === '{' ? 1 : -1));
    if (open > 64) return true;
  }
  return false;
}

/** JSON is read by the YAML parser too, which knows lines and duplicate keys, but not before JSON's own rules are met. */
function jsonIssue(text: string): SyntaxIssue | undefined {
  if (jsonState(text) === 'complete') return undefined;
  // V8 tells the offset in some messages only, and quotes the text around it, which could be a secret: the offset is where the longest
  // beginning ends that could still become JSON.
  let [good, bad] = [0, text.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (jsonState(text.slice(0, middle)) === 'broken') bad = middle;
    else good = middle;
  }
  const before = text.slice(0, good);
  return { line: before.split('\n').length, column: before.length - before.lastIndexOf('\n'), message: 'is not valid JSON from here on' };
}

function jsonState(text: string): 'complete' | 'unfinished' | 'broken' {
  try {
    JSON.parse(text);
    return 'complete';
  } catch (error) {
    const message = error instanceof Error ? error.message : '';
    const position = /position (\d+)/.exec(message)?.[1];
    return /end of JSON|Unterminated/.test(message) || Number(position ?? -1) >= text.length ? 'unfinished' : 'broken';
  }
}

function describe(code: string, message: string): string {
  if (code === 'DUPLICATE_KEY') return 'the key stands here twice';
  if (code === 'MULTIPLE_DOCS') return 'a second document begins here; one file holds one';
  if (code === 'NON_STRING_KEY') return 'a key must be a plain word; quote it';
  if (code === 'TAG_RESOLVE_FAILED') return 'a tag that is not known here';
  return `is not valid YAML: ${message.split('\n')[0]?.replace(/ at line \d+.*$/, '') ?? code}`;
}

function offsetOf(root: unknown, path: ConfigPath, atKey: boolean): number {
  let node: unknown = root;
  let offset = startOf(node);
  for (const [index, key] of path.entries()) {
    if (isAlias(node) || !isCollection(node)) break;
    const pair = isMap(node)
      ? node.items.find((item) => (isScalar(item.key) ? String(item.key.value) : undefined) === String(key))
      : undefined;
    const next: unknown = isMap(node) ? pair?.value : node.items[Number(key)];
    if (next === undefined || (isMap(node) && pair === undefined)) break;
    const last = index === path.length - 1;
    const keyOffset = startOf(pair?.key);
    node = next;
    // A collection begins below its key: the key is where a reader looks for it.
    offset = pair !== undefined && ((last && atKey) || isCollection(next) || !hasText(next)) ? keyOffset : startOf(next);
  }
  return offset;
}

function startOf(node: unknown): number {
  return isNode(node) ? ((node as Node).range?.[0] ?? 0) : 0;
}

function hasText(node: unknown): boolean {
  return isNode(node) && node.range != null && node.range[1] > node.range[0];
}
