import type { SqlToken } from '../sql/sql-tokenizer.ts';
import { isWord } from './sql-statements.ts';

/** Words after which a name of a relation or type stands, so that a schema before it can be left out. */
const beforeName = [
  'references',
  'table',
  'exists',
  'only',
  'type',
  'on',
  'into',
  'update',
  'from',
  'join',
  'sequence',
  'view',
  'index',
  'concurrently',
  'column',
  'domain',
  'like',
  'truncate',
];

/**
 * What an identifier `public` is at its place: the schema of the name that follows, a name of its own (a column called public), or
 * something that must not be guessed at.
 */
export function placementOfPublic(tokens: readonly SqlToken[], i: number): 'qualifier' | 'name' | 'unknown' {
  const token = tokens[i]!;
  const before = tokens[i - 1];
  if (isSymbol(tokens[i + 1], '.')) {
    if (!isName(tokens[i + 2]) || isSymbol(before, '.')) return 'unknown';
    return standsBeforeName(tokens, i) ? 'qualifier' : 'unknown';
  }
  if (isSymbol(before, '.')) return 'name';
  if (token.kind !== 'quoted') return 'unknown';
  return isSymbol(before, '(', ',') || isWord(before, 'column') ? 'name' : 'unknown';
}

function standsBeforeName(tokens: readonly SqlToken[], i: number): boolean {
  const before = tokens[i - 1];
  if (isSymbol(before, '::') || isWord(before, ...beforeName)) return true;
  if (isWord(before, 'by')) return isWord(tokens[i - 2], 'owned');
  if (isSymbol(before, ',')) return isWord(tokens[0], 'drop', 'truncate') && !tokens.slice(0, i).some((token) => isSymbol(token, '('));
  return isColumnType(tokens, i);
}

/** `"state" "public"."status"` in the columns of a table or composite type. */
function isColumnType(tokens: readonly SqlToken[], i: number): boolean {
  const [first, second] = tokens;
  const defines =
    (isWord(first, 'create') && tokens.slice(1, 4).some((token) => isWord(token, 'table', 'type'))) ||
    (isWord(first, 'alter') && isWord(second, 'table', 'type'));
  if (!defines || !isName(tokens[i - 1])) return false;
  const ahead = tokens[i - 2];
  if (isWord(ahead, 'column', 'add', 'attribute')) return true;
  if (tokens[i - 1]!.kind !== 'quoted') return false;
  return isSymbol(ahead, '(', ',') || (isWord(ahead, 'exists') && isWord(tokens[i - 3], 'not'));
}

const namingFunctions = [
  'nextval',
  'setval',
  'currval',
  'pg_get_serial_sequence',
  'to_regclass',
  'to_regtype',
  'to_regproc',
  'to_regprocedure',
];

/** Whether a literal is read as an object's name (`nextval('public.seq')`, `'public.t'::regclass`), or is code that a DO block may execute. */
export function refersToPublic(tokens: readonly SqlToken[], i: number, inCode: boolean): boolean {
  if (!/(?:^|[^A-Za-z0-9_$])"?public"?\s*\./i.test(tokens[i]!.text)) return false;
  if (inCode) return true;
  if (isSymbol(tokens[i + 1], '::') && tokens.slice(i + 2, i + 5).some(isRegType)) return true;
  if (isRegType(tokens[i - 1]) || (isWord(tokens[i + 1], 'as') && isRegType(tokens[i + 2]))) return true;
  return isSymbol(tokens[i - 1], '(') && isWord(tokens[i - 2], ...namingFunctions);
}

function isRegType(token: SqlToken | undefined): boolean {
  return isWord(token, 'regclass', 'regtype', 'regproc', 'regprocedure');
}

function isName(token: SqlToken | undefined): boolean {
  return token?.kind === 'word' || token?.kind === 'quoted';
}

function isSymbol(token: SqlToken | undefined, ...symbols: readonly string[]): boolean {
  return token?.kind === 'symbol' && symbols.includes(token.text);
}
