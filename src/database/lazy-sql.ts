import { entityKind, type SQL } from 'drizzle-orm';
import { markScoped } from './chunks.ts';
import { OpenSql } from './drizzle-internals.ts';

export type StatementKind = 'select' | 'insert' | 'update' | 'delete';

/** A builder's state, as drizzle hands it to the dialect. */
export type StatementConfig = Readonly<Record<string, unknown>>;

/** What makes the SQL of a statement when somebody asks for it. */
export interface SqlBuilder {
  build(kind: StatementKind, config: StatementConfig): SQL;
}

let keeping = true;

/** Runs a callback in which lazy statements, of whichever database, are built anew and keep nothing of it: other values stand in them. */
export function keepingNothing<T>(callback: () => T): T {
  const outer = keeping;
  keeping = false;
  try {
    return callback();
  } finally {
    keeping = outer;
  }
}

/**
 * A statement that is not built yet. Where its shape is known it never is: the cache reads the configuration. Everything else, nesting it in
 * another statement for one, asks for its chunks and gets what the dialect builds.
 */
export class LazySql extends OpenSql {
  static readonly [entityKind]: string = 'TenancyLazySql';
  readonly kind: StatementKind;
  readonly #builder: SqlBuilder;
  #config: StatementConfig;
  #chunks: unknown[] | undefined;
  #appended = false;

  /** @param config a copy: the builder goes on changing its own */
  constructor(kind: StatementKind, config: StatementConfig, builder: SqlBuilder) {
    super([]);
    this.kind = kind;
    this.#config = config;
    this.#builder = builder;
  }

  get config(): StatementConfig {
    return this.#config;
  }

  /** Whether the configuration says it all: nobody appended to the SQL or asked for its parameters inline. */
  get pristine(): boolean {
    return !this.#appended && !this.shouldInlineParams;
  }

  /** Takes another configuration for the same statement; only before it is built. */
  refine(config: StatementConfig): void {
    if (this.#chunks === undefined) this.#config = config;
  }

  override get queryChunks(): unknown[] {
    if (this.#chunks !== undefined && (keeping || this.#appended)) return this.#chunks;
    const chunks = this.#builder.build(this.kind, this.#config).queryChunks as unknown[];
    // Frozen, since the configuration stands for them: append() is the way to add.
    if (keeping) this.#chunks = Object.freeze(chunks) as unknown[];
    return chunks;
  }

  /** drizzle's constructor assigns it. */
  override set queryChunks(_chunks: unknown[]) {}

  override append(query: SQL): this {
    this.#chunks = [...this.queryChunks, ...query.queryChunks];
    this.#appended = true;
    return this;
  }
}

markScoped(LazySql.prototype as unknown as SQL);
