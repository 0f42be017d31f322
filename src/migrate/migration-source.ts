import { createHash } from 'node:crypto';
import type { ColumnDefinitions, MigrationBuilder } from 'node-pg-migrate';

/** The ledger table that node-pg-migrate keeps in every target's schema; the owner's alone, no tenant's rows. */
export const migrationsTable = 'pgmigrations';

/** What a migration does, as node-pg-migrate calls it: `run` is given to functions with two parameters, to call when they are done. */
export interface MigrationActions {
  readonly up: (pgm: MigrationBuilder, run?: () => void) => Promise<void> | void;
  readonly shorthands?: ColumnDefinitions;
}

/** One migration of the platform's tables, loaded once and applied to every target. */
export interface Migration {
  /** File name without its extension: what ledgers record. */
  readonly name: string;
  /** SHA-256 of the file's content in hex, line ends read as LF. */
  readonly checksum: string;
  readonly kind: 'sql' | 'module';
  /** File name, for messages. */
  readonly file: string;
  readonly actions: MigrationActions;
}

/** The platform's migrations, in the order in which they are applied. */
export interface MigrationSource {
  readonly directory: string;
  readonly format: 'node-pg-migrate' | 'drizzle-kit';
  readonly migrations: readonly Migration[];
}

/** What a ledger says was applied. */
export interface AppliedMigration {
  readonly migration: string;
  readonly checksum: string;
}

/** The checksum of a migration made of these file contents. Git may give Windows CRLF: that is no change. */
export function migrationChecksum(...contents: readonly string[]): string {
  const hash = createHash('sha256');
  for (const content of contents) hash.update(content.replaceAll('\r\n', '\n'));
  return hash.digest('hex');
}
