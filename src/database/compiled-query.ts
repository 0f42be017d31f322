import type { Query } from 'drizzle-orm';

/**
 * A compiled statement whose tenant's schema is still open: the text is cut where the schema's name goes, and filled in when the
 * statement runs. So one prepared query serves tenants in different schemas, and no marker that could occur in a caller's SQL is needed.
 */
export class CompiledQuery implements Query {
  /** The text as `toSQL()` shows it: tenant tables without their schema. Never sent. */
  readonly sql: string;
  readonly params: unknown[];
  /** Whether keys will be needed, to write or to read. */
  readonly touchesEncrypted: boolean;
  readonly #segments: readonly string[];
  #filled: { readonly schema: string; readonly text: string } | undefined;

  constructor(segments: readonly string[], params: unknown[], touchesEncrypted: boolean) {
    this.sql = segments.join('');
    this.params = params;
    this.touchesEncrypted = touchesEncrypted;
    this.#segments = segments;
  }

  /** The text for tenants of one schema. */
  textFor(schema: string): string {
    if (this.#filled?.schema !== schema) {
      this.#filled = { schema, text: this.#segments.join(`"${schema.replaceAll('"', '""')}".`) };
    }
    return this.#filled.text;
  }
}
