import { MigrationError } from '../errors.ts';
import { type SqlToken, tokenizeSql } from '../sql/sql-tokenizer.ts';
import { placementOfPublic, refersToPublic } from './public-placement.ts';
import { isWord, type SqlStatement, sqlStatements } from './sql-statements.ts';

/** A stretch of the script and what takes its place. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Takes the schema `public` out of what drizzle-kit writes (`REFERENCES "public"."a"`, `CREATE TYPE "public"."status"`, …), so that the
 * names are found through the search_path: in the tenant's own schema. Literals and comments stay as they are, and so do other schemas.
 *
 * @param sql one migration file
 * @param file its name, for the error
 * @throws {MigrationError} naming file and line, for every mention of `public` that has no known place: rewriting it would be a guess
 * @example
 * ```ts
 * rewritePublic(`ALTER TYPE "public"."status" ADD VALUE 'sold'`, '0003_sold.sql'); // ALTER TYPE "status" ADD VALUE 'sold'
 * ```
 */
export function rewritePublic(sql: string, file: string): string {
  return rewrite(sql, { file, source: sql, offset: 0, inCode: false });
}

interface Where {
  readonly file: string;
  /** The whole file, and where in it the text being rewritten begins: for line numbers. */
  readonly source: string;
  readonly offset: number;
  /** Whether the text is the body of a DO block, whose strings may be executed. */
  readonly inCode: boolean;
}

function rewrite(sql: string, where: Where): string {
  const open = tokenizeSql(sql).find((token) => !token.closed);
  if (open !== undefined) throw refused(where, open, 'A string, identifier or comment that begins here is never closed');
  const edits = sqlStatements(sql).flatMap((statement) => editsOf(statement, where));
  let result = '';
  let at = 0;
  for (const edit of edits) {
    result += sql.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return result + sql.slice(at);
}

function editsOf(statement: SqlStatement, where: Where): readonly Edit[] {
  const { tokens } = statement;
  const edits: Edit[] = [];
  for (const [i, token] of tokens.entries()) {
    if (token.kind === 'dollar') {
      const edit = editOfDollarQuote(statement, token, where);
      if (edit !== undefined) edits.push(edit);
    } else if (token.kind === 'string') {
      if (refersToPublic(tokens, i, where.inCode))
        throw refused(where, token, 'A string that names an object of schema public stands here');
    } else if (token.kind === 'quoted' && /^u/i.test(token.text)) {
      throw refused(where, token, 'An identifier with Unicode escapes stands here, which may hide any name');
    } else if (isPublic(token)) {
      const placement = placementOfPublic(tokens, i);
      if (placement === 'unknown')
        throw refused(where, token, `Schema public is mentioned here (${excerpt(tokens, i)}) in a way that has no known place`);
      if (placement === 'qualifier') edits.push(unqualify(token, tokens[i + 2]!));
    }
  }
  return edits;
}

/** `public.user` is a table, `user` is the login: an unquoted name loses its schema only together with gaining quotes. */
function unqualify(schema: SqlToken, name: SqlToken): Edit {
  const end = name.start + name.text.length;
  return { start: schema.start, end, text: name.kind === 'word' ? `"${name.text.toLowerCase()}"` : name.text };
}

/** DO blocks (drizzle-kit before 0.30 wrote them around CREATE TYPE and ADD CONSTRAINT) are SQL that runs now; function bodies run later, under another path. */
function editOfDollarQuote({ tokens }: SqlStatement, token: SqlToken, where: Where): Edit | undefined {
  const tag = token.text.slice(0, token.text.indexOf('$', 1) + 1);
  const body = token.text.slice(tag.length, -tag.length);
  if (isWord(tokens[0], 'do')) {
    const inner = { ...where, offset: where.offset + token.start + tag.length, inCode: true };
    return { start: token.start, end: token.start + token.text.length, text: tag + rewrite(body, inner) + tag };
  }
  const definesRoutine = isWord(tokens[0], 'create') && tokens.slice(1, 5).some((word) => isWord(word, 'function', 'procedure'));
  if (
    definesRoutine &&
    tokenizeSql(body).some((inner) => isPublic(inner) || (inner.kind === 'string' && /public"?\s*\./i.test(inner.text)))
  ) {
    throw refused(where, token, 'The body of this function mentions schema public');
  }
  return undefined;
}

function isPublic(token: SqlToken): boolean {
  return token.kind === 'word' ? token.text.toLowerCase() === 'public' : token.kind === 'quoted' && token.text === '"public"';
}

function excerpt(tokens: readonly SqlToken[], i: number): string {
  return tokens
    .slice(Math.max(0, i - 1), i + 3)
    .map((token) => (token.kind === 'string' || token.kind === 'dollar' ? '…' : token.text))
    .join(' ');
}

function refused(where: Where, token: SqlToken, what: string): MigrationError {
  const line = where.source.slice(0, where.offset + token.start).split('\n').length;
  return new MigrationError(`${where.file}:${line}: ${what}.`, {
    migration: where.file.replace(/\.sql$/, ''),
    hint: 'A tenant’s tables stand in its own schema: write the name without a schema, or double-quote a column called public.',
  });
}
