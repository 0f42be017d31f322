import { NotSupportedError } from '../errors.ts';
import { afterComment, checkText } from './command-check.ts';

const word = /[a-z_]+/iy;

/**
 * Refuses what is no `COPY … TO STDOUT`, before anything is sent: PostgreSQL takes no COPY FROM under row-level security, and a file or a
 * program would be the server's.
 *
 * @throws {NotSupportedError}
 */
export function checkCopy(text: string, tenantId: string): void {
  checkText(text, tenantId);
  const words = topWords(text);
  const direction = words.findIndex((found) => found === 'to' || found === 'from');
  if (words[0] === 'copy' && words[direction] === 'to' && words[direction + 1] === 'stdout') return;
  throw new NotSupportedError(`Tenant ${tenantId} can only COPY … TO STDOUT.`, {
    tenantId,
    hint: 'Insert rows in batches, or load them as the owner through the control plane.',
  });
}

/** The words outside parentheses, quotes and comments, in small letters. */
function topWords(text: string): readonly string[] {
  const words: string[] = [];
  let depth = 0;
  for (let index = 0; index < text.length; ) {
    const next = afterQuoted(text, index);
    if (next > index) {
      index = next;
      continue;
    }
    const character = text[index]!;
    if (character === '(') depth++;
    else if (character === ')') depth--;
    word.lastIndex = index;
    const found = word.exec(text)?.[0];
    if (found !== undefined && depth === 0) words.push(found.toLowerCase());
    // A word that ends at a quote marks a literal with escapes: the quote decides, not the word.
    index += found?.length ?? 1;
  }
  return words;
}

/** Behind a literal, quoted name, dollar quote or comment that begins here; the same place where none does. */
function afterQuoted(text: string, start: number): number {
  const character = text[start];
  if (character === "'") return afterLiteral(text, start, /e$/i.test(text.slice(Math.max(0, start - 1), start)));
  if (character === '"') return after(text, '"', start + 1);
  if (text.startsWith('--', start)) return after(text, '\n', start);
  if (text.startsWith('/*', start)) return afterComment(text, start);
  const dollar =
    character === '$' ? /^\$(?:[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/i.exec(text.slice(start, start + 66))?.[0] : undefined;
  return dollar === undefined ? start : after(text, dollar, start + dollar.length);
}

function after(text: string, mark: string, from: number): number {
  const found = text.indexOf(mark, from);
  return found === -1 ? text.length : found + mark.length;
}

function afterLiteral(text: string, start: number, escapes: boolean): number {
  let index = start + 1;
  for (; index < text.length && text[index] !== "'"; index++) if (escapes && text[index] === '\\') index++;
  return index + 1;
}
