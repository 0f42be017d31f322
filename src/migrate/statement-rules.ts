import { isWord, type SqlStatement, sqlStatements } from './sql-statements.ts';

/** What a script needs of the transaction around it. */
export interface StatementRules {
  /** Some statement is refused by PostgreSQL inside a transaction: `… CONCURRENTLY`, VACUUM and their like. */
  readonly needsNoTransaction: boolean;
  /** A statement that ends or begins a transaction by itself; undefined when there is none. */
  readonly transactionControl: string | undefined;
  /** `ALTER TYPE … ADD VALUE`: the value can be used only after a COMMIT (PostgreSQL, ALTER TYPE, Notes). */
  readonly addsEnumValue: boolean;
  readonly statements: readonly SqlStatement[];
}

/** Reads a script for statements that the transaction around a migration must give way to. */
export function statementRules(sql: string): StatementRules {
  const statements = sqlStatements(sql);
  return {
    statements,
    needsNoTransaction: statements.some(needsNoTransaction),
    transactionControl: statements
      .find(controlsTransaction)
      ?.tokens.slice(0, 2)
      .map((token) => token.text)
      .join(' '),
    addsEnumValue: statements.some(
      ({ tokens }) =>
        isWord(tokens[0], 'alter') &&
        isWord(tokens[1], 'type') &&
        tokens.some((token, i) => isWord(token, 'add') && isWord(tokens[i + 1], 'value')),
    ),
  };
}

function needsNoTransaction({ tokens }: SqlStatement): boolean {
  const [first, second] = tokens;
  if (isWord(first, 'vacuum')) return true;
  if (isWord(first, 'create', 'drop', 'alter') && isWord(second, 'database', 'tablespace', 'system', 'subscription')) return true;
  const concurrently = tokens.some((token) => isWord(token, 'concurrently'));
  if (!concurrently) return false;
  if (isWord(first, 'reindex')) return true;
  if (isWord(first, 'create', 'drop')) return isWord(second, 'index') || (isWord(second, 'unique') && isWord(tokens[2], 'index'));
  // REFRESH MATERIALIZED VIEW CONCURRENTLY may run in a transaction; ALTER TABLE … DETACH PARTITION … CONCURRENTLY may not.
  return isWord(first, 'alter') && tokens.some((token) => isWord(token, 'detach'));
}

function controlsTransaction({ tokens }: SqlStatement): boolean {
  const [first, second] = tokens;
  if (isWord(first, 'begin', 'commit', 'end', 'abort')) return true;
  if (isWord(first, 'start', 'prepare') && isWord(second, 'transaction')) return true;
  return isWord(first, 'rollback') && !tokens.some((token) => isWord(token, 'to'));
}
