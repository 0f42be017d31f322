import type { TablesRelationalConfig } from 'drizzle-orm';

/** The tables and relations that drizzle's relational queries know. */
export interface SessionSchema {
  readonly fullSchema: Record<string, unknown>;
  readonly schema: TablesRelationalConfig;
  readonly tableNamesMap: Record<string, string>;
}
