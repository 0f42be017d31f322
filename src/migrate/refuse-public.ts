import { MigrationError } from '../errors.ts';
import { sqlStatements } from './sql-statements.ts';

/**
 * Hand-written SQL says what it means, so it isn't rewritten: a name qualified with `public.` would make or read one table for all
 * tenants, outside every policy.
 *
 * @throws {MigrationError} naming file and line
 */
export function refusePublic(sql: string, file: string): void {
  for (const { tokens } of sqlStatements(sql)) {
    for (const [i, token] of tokens.entries()) {
      const isPublic = token.kind === 'word' ? token.text.toLowerCase() === 'public' : token.kind === 'quoted' && token.text === '"public"';
      if (!isPublic || tokens[i + 1]?.text !== '.' || tokens[i - 1]?.text === '.') continue;
      const line = sql.slice(0, token.start).split('\n').length;
      throw new MigrationError(`${file}:${line}: A name is qualified with schema public.`, {
        migration: file.replace(/\.[^.]+$/, ''),
        hint: 'A tenant’s tables stand in its own schema: write the name without a schema.',
      });
    }
  }
}
