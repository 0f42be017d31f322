import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { z } from 'zod';
import { MigrationError } from '../errors.ts';
import type { Migration, MigrationActions, MigrationSource } from './migration-source.ts';
import { migrationChecksum } from './migration-source.ts';
import { rewritePublic } from './public-rewriter.ts';
import { isWord, sqlStatements } from './sql-statements.ts';

const journalSchema = z.object({
  dialect: z.literal('postgresql'),
  entries: z.array(z.object({ idx: z.number().int(), tag: z.string().regex(/^[\w.-]+$/) })),
});

/**
 * Loads a drizzle-kit output directory: the order of `meta/_journal.json`, each file's statements with schema public taken out.
 *
 * @throws {MigrationError} when journal and files don't agree, or a file mentions schema public where it can't be rewritten
 */
export async function drizzleKitSource(directory: string): Promise<MigrationSource> {
  const tags = await readJournal(directory);
  const files = (await readdir(directory)).filter((file) => !file.startsWith('.') && extname(file) === '.sql');
  const stray = files.find((file) => !tags.includes(file.slice(0, -'.sql'.length)));
  if (stray !== undefined) {
    throw new MigrationError(`The file "${stray}" is not in meta/_journal.json.`, {
      migration: stray,
      hint: 'Make it with "drizzle-kit generate --custom", or move it out of the directory.',
    });
  }
  const migrations = await Promise.all(tags.map((tag) => readMigration(directory, tag)));
  return Object.freeze({ directory, format: 'drizzle-kit', migrations: Object.freeze(migrations) });
}

async function readJournal(directory: string): Promise<readonly string[]> {
  const text = await readFile(join(directory, 'meta', '_journal.json'), 'utf8');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new MigrationError('meta/_journal.json is not JSON.', { cause: error, hint: 'It may hold a merge conflict.' });
  }
  const journal = journalSchema.safeParse(json);
  if (!journal.success) {
    throw new MigrationError(
      `meta/_journal.json can't be used: ${journal.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ')}.`,
    );
  }
  const tags = journal.data.entries.toSorted((a, b) => a.idx - b.idx).map((entry) => entry.tag);
  for (const [i, tag] of tags.entries()) {
    if (tags.indexOf(tag) !== i) throw new MigrationError(`meta/_journal.json lists "${tag}" twice.`, { migration: tag });
    // The runner orders by the number that a name begins with; the journal must say the same.
    const before = tags[i - 1];
    if (!/^\d/.test(tag) || (before !== undefined && Number.parseInt(before, 10) >= Number.parseInt(tag, 10))) {
      throw new MigrationError(`The name "${tag}" does not follow the order of meta/_journal.json.`, {
        migration: tag,
        hint: 'Use drizzle-kit’s migration prefix "index" or "timestamp".',
      });
    }
  }
  return tags;
}

async function readMigration(directory: string, tag: string): Promise<Migration> {
  const file = `${tag}.sql`;
  const content = await readFile(join(directory, file), 'utf8').catch((error: unknown) => {
    throw new MigrationError(`meta/_journal.json lists "${tag}", but "${file}" is missing.`, { migration: tag, cause: error });
  });
  const sql = rewritePublic(content, file);
  refuseSchemas(sql, tag);
  const actions: MigrationActions = {
    up: (pgm) => {
      pgm.sql(sql);
    },
  };
  return Object.freeze({ name: tag, checksum: migrationChecksum(content), kind: 'sql', file, actions: Object.freeze(actions) });
}

/** drizzle-kit writes CREATE SCHEMA for every pgSchema that the schema file exports, reference tables included. */
function refuseSchemas(sql: string, tag: string): void {
  const found = sqlStatements(sql).find(({ tokens }) => isWord(tokens[0], 'create', 'drop', 'alter') && isWord(tokens[1], 'schema'));
  if (found === undefined) return;
  throw new MigrationError(
    `The migration "${tag}" makes or changes a schema (${found.tokens
      .slice(0, 3)
      .map((token) => token.text)
      .join(' ')}).`,
    {
      migration: tag,
      hint: 'It runs once for every tenant, in the tenant’s schema: keep tables of other schemas, reference tables too, out of drizzle-kit’s schema files.',
    },
  );
}
