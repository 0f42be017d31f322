import type { SQL } from 'drizzle-orm';
import type { CompiledQuery } from './compiled-query.ts';
import { withGeneratedValues } from './generated-values.ts';
import { keepingNothing, type LazySql, type SqlBuilder, type StatementConfig, type StatementKind } from './lazy-sql.ts';
import { sameParams } from './same-params.ts';
import { Shape } from './shape.ts';
import { sourcesOf } from './shape-trial.ts';
import { type ShapeNode, ShapeTrie } from './shape-trie.ts';
import { ShapeWalk } from './shape-walk.ts';
import { unscoped } from './unscoped.ts';

export interface ShapeCacheOptions {
  /** Places in the trie, some 60 bytes each; when they are used up all shapes are forgotten. 0 turns the cache off. 100,000 by default. */
  readonly capacity?: number;
  /** Builds every statement that is found all the same, and throws where the two differ: for tests. */
  readonly verify?: boolean;
  /** The walk; the tests of the key bring worse ones. */
  readonly walk?: ShapeWalk;
}

/** The dialect without its cache. */
export interface ShapeCompiler extends SqlBuilder {
  compile(query: SQL): CompiledQuery;
}

/**
 * Compiled statements by the shape of the builders that made them. A hit takes the text from the statement that was built first and the
 * values from its own; it would be a leak if it were wrong, so a shape is admitted only after a trial has shown where each of its parameters
 * comes from, and refusals are never kept.
 */
export class ShapeCache implements SqlBuilder {
  readonly #compiler: ShapeCompiler;
  readonly #capacity: number;
  readonly #verify: boolean;
  readonly #walk: ShapeWalk;
  readonly #trie = new ShapeTrie();
  #busy = false;
  #hits = 0;

  constructor(compiler: ShapeCompiler, { capacity = 100_000, verify = false, walk = new ShapeWalk() }: ShapeCacheOptions = {}) {
    this.#compiler = compiler;
    this.#capacity = capacity;
    this.#verify = verify;
    this.#walk = walk;
  }

  /** Statements that were not built. */
  get hits(): number {
    return this.#hits;
  }

  /** Places that the shapes take; at most the capacity. */
  get places(): number {
    return this.#trie.places;
  }

  build(kind: StatementKind, config: StatementConfig): SQL {
    return this.#compiler.build(kind, config);
  }

  /** @throws whatever building and compiling throws */
  compile(query: LazySql): CompiledQuery {
    // An encoder of a value may compile a query of its own.
    if (this.#busy || this.#capacity === 0 || !query.pristine) return this.#compiler.compile(query as unknown as SQL);
    this.#busy = true;
    try {
      return this.#find(query);
    } finally {
      this.#walk.release();
      if (this.#trie.places > this.#capacity) this.#trie.clear();
      this.#busy = false;
    }
  }

  #find(query: LazySql): CompiledQuery {
    const node = this.#nodeOf(query);
    if (node === undefined) return this.#compiler.compile(query as unknown as SQL);
    const { end } = node;
    if (end instanceof Shape) {
      this.#hits += 1;
      const found = end.query(this.#walk.values);
      if (this.#verify) this.#check(query, found);
      return found;
    }
    const compiled = this.#compiler.compile(query as unknown as SQL);
    // Once is no habit: what comes again is worth a trial.
    if (end === undefined) node.end = 'seen';
    else if (end === 'seen') node.end = this.#admit(query, node, compiled);
    return compiled;
  }

  /** Where the walk ends; undefined when the statement is not for the cache. Building it says what is wrong with it, if anything is. */
  #nodeOf(query: LazySql): ShapeNode | undefined {
    try {
      const config = withGeneratedValues(query.kind, query.config);
      if (config === undefined) return undefined;
      query.refine(config);
      return this.#walk.walk(this.#trie, query.kind, query.config);
    } catch {
      return undefined;
    }
  }

  #admit({ kind, config }: LazySql, node: ShapeNode, compiled: CompiledQuery): Shape | 'seen' | 'not cached' {
    const walk = this.#walk;
    walk.places = [];
    try {
      if (walk.walk(this.#trie, kind, config) !== node) return 'not cached';
      const values = walk.values.slice(0, walk.count);
      const found = sourcesOf(walk.places, values, () => this.#anew(kind, config));
      // Of this statement only nothing can be said; the next of its kind may do.
      if (found === undefined) return 'seen';
      const { trial, sources } = found;
      if (!compiled.shape.hasTextOf(trial.shape) || compiled.touchesEncrypted !== trial.touchesEncrypted) return 'not cached';
      const shape = new Shape(compiled.shape, compiled.touchesEncrypted, sources);
      return sameParams(shape.query(values).params, compiled.params) ? shape : 'not cached';
    } catch {
      return 'not cached';
    } finally {
      walk.places = undefined;
    }
  }

  #check({ kind, config }: LazySql, found: CompiledQuery): void {
    const built = this.#anew(kind, config);
    if (found.shape.hasTextOf(built.shape) && found.touchesEncrypted === built.touchesEncrypted && sameParams(found.params, built.params))
      return;
    throw unscoped('A statement whose shape is kept with another text', 'This is a defect of the library: please report it.');
  }

  #anew(kind: StatementKind, config: StatementConfig): CompiledQuery {
    return keepingNothing(() => this.#compiler.compile(this.#compiler.build(kind, config)));
  }
}
