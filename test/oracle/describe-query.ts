import { refsOf } from './describe-expression.ts';
import { SelectDescriber } from './describe-select.ts';
import { WriteDescriber } from './describe-write.ts';
import { type Cte, keyOf, type Query, type Relational, type Select, type TableName, tableColumns } from './description.ts';
import { relations, relationsOf } from './relations.ts';
import { Tape } from './tape.ts';

export interface QueryWish {
  /** PostgreSQL has `security_invoker` views from 15 on; and they need row-level security or a predicate of their own. */
  readonly views: boolean;
  /** Raw SQL, which row-level security alone holds. */
  readonly raw: boolean;
}

/** Describes any query that drizzle's builders can make, as far as its answer and effect are decided by the rows alone. */
export function describeQuery(bytes: Uint8Array, { views, raw }: QueryWish): Query {
  return new QueryDescriber(new Tape(bytes), views).query(raw);
}

class QueryDescriber {
  readonly #tape: Tape;
  readonly #tables: readonly TableName[];
  readonly #selects: SelectDescriber;
  readonly #writes: WriteDescriber;

  constructor(tape: Tape, views: boolean) {
    this.#tape = tape;
    this.#tables = ['shops', 'items', 'sales', 'notes', 'rates', ...(views ? (['totals', 'vaults'] as const) : [])];
    this.#selects = new SelectDescriber(tape, this.#tables);
    this.#writes = new WriteDescriber(this.#selects, this.#tables);
  }

  query(raw: boolean): Query {
    const tape = this.#tape;
    const kind = tape.below(12);
    const common = { prepared: tape.once(5), keep: tape.once(2) };
    if (kind === 5 || kind === 6) {
      const table = tape.pick(['shops', 'items', 'sales'] as const);
      return { is: 'relational', table, first: tape.once(5), config: this.#relational(table, 2), ...common };
    }
    if (kind === 7) {
      const table = tape.pick(this.#tables);
      return { is: '$count', table, ...this.#writes.where(1, refsOf(table, table), []), ...common, prepared: false };
    }
    if (kind === 8 && raw) return { is: 'raw', template: tape.below(256), value: tape.below(6), ...common };
    if (kind > 8) return { is: 'write', write: this.#writes.write(tape.once(4)), ...common };
    if (kind === 4) return { is: 'select', select: this.#selectOfWrite(), ...common };
    const { output: _output, ...select } = this.#selects.select({ depth: 2 });
    return { is: 'select', select, ...common };
  }

  #relational(table: 'shops' | 'items' | 'sales' | 'rates', depth: number): Relational {
    const tape = this.#tape;
    const refs = refsOf(table, table);
    const columns = Object.keys(tableColumns[table]);
    const inner = depth > 0 ? (relationsOf[table] ?? []).filter(() => tape.once(2)) : [];
    const extra = tape.once(4) ? this.#selects.expression(tape.pick(['int', 'text']), refs, 0) : undefined;
    return {
      ...(tape.once(3) && { columns: columns.filter((column) => column === keyOf[table] || tape.once(2)) }),
      ...this.#writes.where(1, refs, []),
      descending: tape.once(2),
      ...(tape.once(4) && { limit: tape.below(4), ...(tape.once(2) && { offset: tape.below(2) }) }),
      ...(extra && { extra }),
      with: Object.fromEntries(inner.map((relation) => [relation, this.#relational(relations[relation]!.table, depth - 1)])),
    };
  }

  /** A select over what a write of the same statement returned. */
  #selectOfWrite(): Select {
    const tape = this.#tape;
    const write = this.#writes.write(false);
    const columns = Object.keys(tableColumns[write.table]).filter((column) => column === keyOf[write.table] || tape.once(2));
    const name = this.#selects.name('w');
    const refs = columns.map((column) => ({ source: name, column, type: tableColumns[write.table][column]! }));
    const joined = tape.once(2) ? this.#selects.source(0, [], new Set([name]), [], 'table') : undefined;
    const key = refs.find(({ column }) => column === keyOf[write.table])!;
    const other = joined && this.#selects.ref(joined.refs, key.type);
    const cte: Cte = { name, query: { ...write, returning: columns } };
    return {
      standalone: false,
      ctes: [cte],
      distinct: false,
      fields: refs.map((ref, index) => ({ key: `f${index}`, expression: { is: 'column', ref }, named: false })),
      from: { is: 'cte', name },
      joins:
        joined && other
          ? [
              {
                type: tape.pick(['left', 'inner', 'right', 'full'] as const),
                lateral: false,
                source: joined.source,
                on: { is: 'columns', operator: 'eq', left: key, right: other },
              },
            ]
          : [],
      groupBy: [],
      union: [],
      orderBy: [],
      ordered: false,
    };
  }
}
