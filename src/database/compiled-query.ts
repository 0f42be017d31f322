import type { Query } from 'drizzle-orm';
import { StatementShape } from './statement-shape.ts';
import type { RowFilter } from './truncated-match.ts';

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
  /** What its rows are checked by before they are mapped. */
  readonly rowFilters: readonly RowFilter[];
  readonly #shape: StatementShape;

  constructor(
    segments: readonly string[] | StatementShape,
    params: unknown[],
    touchesEncrypted: boolean,
    rowFilters: readonly RowFilter[] = [],
  ) {
    const shape = segments instanceof StatementShape ? segments : new StatementShape(segments);
    this.sql = shape.sql;
    this.params = params;
    this.touchesEncrypted = touchesEncrypted;
    this.rowFilters = rowFilters;
    this.#shape = shape;
  }

  /** What it shares with every statement that differs from it in values only. */
  get shape(): StatementShape {
    return this.#shape;
  }

  /** The text for tenants of one schema. */
  textFor(schema: string): string {
    return this.#shape.textFor(schema);
  }
}
