import { adoptedSuffix, adoptingSuffix } from '../database/adoption-checks.ts';
import { MigrationError } from '../errors.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import { nameOfToken, type SqlToken } from '../sql/sql-tokenizer.ts';
import type { MigrationSession } from './migration-session.ts';
import type { MigrationTarget } from './migration-target.ts';
import { isWord, sqlStatements } from './sql-statements.ts';

/** A plaintext column that an encrypted one is taking over and that may still hold values. */
export interface AdoptedColumn {
  readonly tableOid: string;
  readonly position: number;
  readonly table: string;
  readonly column: string;
}

/**
 * The plaintext columns that are being taken over (docs/encryption.md, "Taking over a plaintext column") and that nothing keeps empty yet:
 * those with the check `…_adopting` and without a validated `…_adopted`. To look for values instead would read whole tables in every
 * migration, and would not see what is written before the column is locked.
 */
export async function uncontractedColumns(session: MigrationSession, target: MigrationTarget): Promise<readonly AdoptedColumn[]> {
  const { rows } = await session.query(
    `select c.oid::text as "tableOid", a.attnum as position, c.relname::text as "table", a.attname::text as "column"
      from pg_constraint k join pg_class c on c.oid = k.conrelid join pg_attribute a on a.attrelid = c.oid and a.attnum = any (k.conkey)
      where c.relnamespace = $1::regnamespace and k.contype = 'c' and right(k.conname, length(a.attname) + 1 + length($2::text)) = '_' || a.attname || $2::text
        and not exists (select from pg_constraint d where d.conrelid = c.oid and d.contype = 'c' and d.convalidated
          and d.conname = left(k.conname, -length($2::text)) || $3::text)`,
    [quoteIdentifier(target.schema), adoptingSuffix, adoptedSuffix],
  );
  return rows as AdoptedColumn[];
}

/**
 * Refuses to commit a migration that drops such a column: what has not been encrypted would be gone. Asked inside the migration's transaction,
 * before its COMMIT. A table that is dropped as a whole is meant to be gone.
 *
 * @param before what {@link uncontractedColumns} found when the migration began
 * @throws {MigrationError} naming table and column
 */
export async function refuseLostPlaintext(
  session: MigrationSession,
  target: MigrationTarget,
  before: readonly AdoptedColumn[],
): Promise<void> {
  if (before.length === 0) return;
  const { rows } = await session.query(
    `select g."table", g."column" from jsonb_to_recordset($1::jsonb) as g ("tableOid" oid, position int2, "table" text, "column" text)
      join pg_attribute a on a.attrelid = g."tableOid" and a.attnum = g.position where a.attisdropped limit 1`,
    [JSON.stringify(before)],
  );
  const [found] = rows as Pick<AdoptedColumn, 'table' | 'column'>[];
  if (found !== undefined) throw lostPlaintext(target, found);
}

/**
 * Refuses a statement that would drop such a column outside a transaction, where nothing could be taken back.
 *
 * @throws {MigrationError} naming table and column
 */
export function refuseUnguardedDrop(sql: string, target: MigrationTarget, adopted: readonly AdoptedColumn[]): void {
  if (adopted.length === 0) return;
  for (const { tokens } of sqlStatements(sql)) {
    if (!isWord(tokens[0], 'alter') || !isWord(tokens[1], 'table')) continue;
    const dropped = tokens.flatMap((token, n) => (isWord(token, 'drop') ? [nameOfToken(tokens.slice(n + 1).find(isNoKeyword))] : []));
    const found = adopted.find(({ column }) => dropped.includes(column));
    if (found !== undefined) throw lostPlaintext(target, found);
  }
}

function isNoKeyword(token: SqlToken): boolean {
  return !isWord(token, 'column', 'if', 'exists');
}

function lostPlaintext(target: MigrationTarget, found: Pick<AdoptedColumn, 'table' | 'column'>): MigrationError {
  return new MigrationError(`Migrating ${target.key} drops ${found.table}.${found.column}, which may still hold values in plaintext.`, {
    tenantId: target.tenantId,
    hint: 'Run `tenancy columns backfill` and `tenancy columns contract` first: then nothing can be lost with it.',
  });
}
