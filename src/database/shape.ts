import { CompiledQuery } from './compiled-query.ts';
import { executingTenantId, GivenTenantId } from './deferred.ts';
import type { StatementShape } from './statement-shape.ts';

/** Where a parameter comes from: a value of the walk (bare ones compared with tenant_id are still to be checked), or the executing tenant. */
export type ParameterSource = { readonly value: number; readonly given: boolean } | 'tenant id';

/** A statement known by its key: what the dialect built for the first of its kind, and where the values of the next go. */
export class Shape {
  readonly #statement: StatementShape;
  readonly #touchesEncrypted: boolean;
  /** By parameter: the value's number, or -1 for the executing tenant's id. */
  readonly #values: readonly number[];
  readonly #given: readonly boolean[];

  constructor(statement: StatementShape, touchesEncrypted: boolean, sources: readonly ParameterSource[]) {
    this.#statement = statement;
    this.#touchesEncrypted = touchesEncrypted;
    this.#values = sources.map((source) => (source === 'tenant id' ? -1 : source.value));
    this.#given = sources.map((source) => source !== 'tenant id' && source.given);
  }

  query(values: readonly unknown[]): CompiledQuery {
    const from = this.#values;
    const params: unknown[] = [];
    for (let i = 0; i < from.length; i += 1) {
      const at = from[i]!;
      if (at < 0) params.push(executingTenantId);
      else params.push(this.#given[i] ? new GivenTenantId(values[at]) : values[at]);
    }
    return new CompiledQuery(this.#statement, params, this.#touchesEncrypted);
  }
}
