import type { SelectedFieldsOrdered } from 'drizzle-orm/pg-core';
import type { JoinsNotNullable } from './row-layout.ts';
import { RowMapper } from './row-mapper.ts';

/** Schemas whose texts are kept; a shape that serves more of them writes some anew. */
const maxTexts = 64;

/** What statements that differ in their values only have in common: the text, open at the tenant's schema, and the way to map rows. */
export class StatementShape {
  readonly sql: string;
  readonly #segments: readonly string[];
  readonly #texts = new Map<string, string>();
  #rowMapper: RowMapper | undefined;

  constructor(segments: readonly string[]) {
    this.sql = segments.join('');
    this.#segments = segments;
  }

  textFor(schema: string): string {
    let text = this.#texts.get(schema);
    if (text === undefined) {
      text = this.#segments.join(`"${schema.replaceAll('"', '""')}".`);
      if (this.#texts.size >= maxTexts) this.#texts.clear();
      this.#texts.set(schema, text);
    }
    return text;
  }

  /** Whether the texts are the same for every schema. */
  hasTextOf(other: StatementShape): boolean {
    return this.#segments.length === other.#segments.length && this.#segments.every((segment, i) => segment === other.#segments[i]);
  }

  /** The mapper for the statement's rows; its fields are part of the shape. */
  rowMapper(fields: SelectedFieldsOrdered, joinsNotNullable: JoinsNotNullable): RowMapper {
    this.#rowMapper ??= new RowMapper(fields, joinsNotNullable);
    return this.#rowMapper;
  }
}
