import { comparable, type Described, ExpressionDescriber, refsOf, type SelectWish, typeOf } from './describe-expression.ts';
import type { ColumnType, Cte, Expression, Field, Join, Order, Ref, Select, SetOperator, Source } from './description.ts';

const setOperators: readonly SetOperator[] = ['unionAll', 'union', 'intersect', 'intersectAll', 'except', 'exceptAll'];
/**
 * Describes selects, in such a way that their answer is decided by the rows alone: what depends on the order in which PostgreSQL happens to
 * read, or may fail for a row that another plan never looks at, is left out.
 */
export class SelectDescriber extends ExpressionDescriber {
  override select(wish: SelectWish): Select & { readonly output: readonly Ref[] } {
    const { tape } = this;
    const { depth, outer = [], types } = wish;
    const own = depth > 1 && types === undefined && tape.once(6) ? tape.some(1, 2, () => this.#cte(depth - 1)) : [];
    const ctes = [...(wish.ctes ?? []), ...own.map(({ described }) => described)];
    const used = new Set<string>();
    const from = this.source(depth, ctes, used, outer, own.length > 0 || tape.once(4) ? 'any' : 'table');
    const joins: Join[] = [];
    let refs = [...from.refs];
    const joined = tape.below(depth > 0 ? 4 : 2);
    for (let i = 0; i < Math.min(joined, 2); i += 1) {
      const made = this.#join(depth, ctes, used, outer, refs);
      joins.push(made.join);
      refs = [...refs, ...made.refs];
    }
    const scope = [...outer, ...refs];
    const where = tape.once(3) ? undefined : this.condition(depth, scope, ctes);
    const groupable = refs.filter(({ type }) => comparable.includes(type));
    const grouped = tape.once(6) && groupable.length > 0;
    const groupBy = grouped ? distinctBy(tape.some(1, 2, () => tape.pick(groupable))) : [];
    const aggregated = grouped || tape.once(10);
    const having = grouped && tape.once(2) ? tape.below(3) : undefined;
    const everything = types === undefined && wish.read !== true && !aggregated && own.length === 0 && outer.length === 0 && tape.once(4);
    const fields = everything ? undefined : this.#fields(wish, scope, refs, ctes, aggregated ? groupBy : undefined);
    // Ciphertexts can't be compared, and JSON can't be sorted.
    const sortable = fields?.every(({ expression }) => typeOf(expression) !== 'json' && typeOf(expression) !== 'secret') ?? false;
    const distinct =
      fields !== undefined && sortable && !aggregated && tape.once(7)
        ? tape.once(2) && fields[0]?.expression.is === 'column' && fields[0].expression.ref.type === 'int'
          ? 'on'
          : true
        : false;
    const union = fields !== undefined && sortable && distinct === false && depth > 0 && tape.once(6) ? this.#union(wish, fields) : [];
    const limited = sortable && tape.once(3);
    const orderBy = this.#order(fields, limited, distinct);
    const allFields = fields !== undefined && sortable && new Set(orderBy.map(({ field }) => field)).size === fields.length;
    const canLock =
      distinct === false &&
      !aggregated &&
      union.length === 0 &&
      outer.length === 0 &&
      wish.read !== true &&
      types === undefined &&
      [from.source, ...joins.map(({ source }) => source)].every(isLockable);
    const lock = canLock && tape.once(6) ? tape.pick(['update', 'share', 'no key update'] as const) : undefined;
    return {
      standalone: wish.standalone ?? false,
      ctes: own.map(({ cte }) => cte),
      distinct: distinct === 'on' && !(fields !== undefined && allFields) ? true : distinct,
      ...(fields && { fields }),
      from: from.source,
      joins,
      ...(where && { where }),
      groupBy,
      ...(having !== undefined && { having }),
      union,
      orderBy,
      ...(limited && allFields && { limit: tape.below(5), ...(tape.once(2) && { offset: tape.below(3) }) }),
      ...(lock && { lock }),
      ordered: allFields,
      output: (fields ?? []).map(({ key, expression }) => ({ source: '', column: key, type: typeOf(expression) })),
    };
  }

  source(depth: number, ctes: readonly Described[], used: Set<string>, outer: readonly Ref[], wanted: 'any' | 'table'): Described {
    const { tape } = this;
    const free = ctes.filter(({ source }) => !used.has(source.name));
    const kind = wanted === 'table' ? 0 : tape.below(3);
    if (kind !== 1 && free.length > 0 && wanted === 'any') {
      const cte = tape.pick(free);
      used.add(cte.source.name);
      return cte;
    }
    if (kind === 0 || depth <= 0) return this.tableSource([...used], outer, used);
    return this.#subquery(depth, [], ctes);
  }

  #subquery(depth: number, outer: readonly Ref[], ctes: readonly Described[]): Described {
    const name = this.name('q');
    const { output, ...select } = this.select({ depth: depth - 1, outer, ctes, read: true });
    return { source: { is: 'subquery', select, name }, refs: output.map((ref) => ({ ...ref, source: name })) };
  }

  override tableSource(taken: readonly string[], outer: readonly Ref[], used?: Set<string>): Described {
    const table = this.tape.pick(this.tables);
    const bare = !taken.includes(table) && !outer.some(({ source }) => source === table);
    // Stock drizzle can't select from an aliased view; it can join one.
    const first = taken.length === 0;
    const view = table === 'totals' || table === 'vaults';
    const name = bare && (this.tape.below(2) === 0 || (view && first)) ? table : view && first ? table : this.name('t');
    used?.add(name);
    return { source: { is: 'table', table, name }, refs: refsOf(table, name) };
  }

  #join(depth: number, ctes: readonly Described[], used: Set<string>, outer: readonly Ref[], left: readonly Ref[]) {
    const { tape } = this;
    const type = tape.pick(['inner', 'left', 'right', 'full', 'cross', 'left'] as const);
    const lateral = depth > 0 && (type === 'inner' || type === 'left' || type === 'cross') && tape.once(4);
    const right = lateral
      ? this.#subquery(depth, [...outer, ...left], ctes)
      : this.source(depth, ctes, new Set([...used, 'joined']), outer, tape.once(4) ? 'any' : 'table');
    used.add(right.source.name);
    const join = (): Join => {
      if (type === 'cross') return { type, lateral, source: right.source };
      const pair = this.#pair(left, right.refs);
      // PostgreSQL joins fully on equalities only.
      if (type === 'full' || (pair !== undefined && tape.below(3) < 2)) {
        if (pair === undefined) return { type: 'cross', lateral, source: right.source };
        return { type, lateral, source: right.source, on: { is: 'columns', operator: 'eq', left: pair[0], right: pair[1] } };
      }
      return { type, lateral, source: right.source, on: this.condition(0, [...left, ...right.refs], []) };
    };
    return { join: join(), refs: right.refs };
  }

  #pair(left: readonly Ref[], right: readonly Ref[]): readonly [Ref, Ref] | undefined {
    const type = this.tape.pick(['int', 'int', 'text', 'mood', 'tenant'] as const);
    const a = this.ref(left, type);
    const b = this.ref(right, type);
    return a === undefined || b === undefined ? undefined : [a, b];
  }

  #cte(depth: number): { readonly cte: Cte; readonly described: Described } {
    const name = this.name('w');
    const { output, ...query } = this.select({ depth, read: true });
    return { cte: { name, query }, described: { source: { is: 'cte', name }, refs: output.map((ref) => ({ ...ref, source: name })) } };
  }

  #fields(
    wish: SelectWish,
    scope: readonly Ref[],
    refs: readonly Ref[],
    ctes: readonly Described[],
    grouped: readonly Ref[] | undefined,
  ): Field[] {
    const { tape } = this;
    const types =
      wish.types ?? tape.some(1, 4, () => tape.pick(['int', 'text', 'mood', 'bool', 'secret', 'json', 'tenant', 'int'] as const));
    const taken = new Set<string>();
    return types.map((type, index) => {
      // What can't be wrapped into SQL is read from the sources alone, not from a query around.
      const visible = type === 'secret' || type === 'json' ? refs : scope;
      const expression =
        grouped === undefined
          ? this.expression(type, visible, wish.depth - (ctes.length > 0 ? 1 : 0))
          : this.#aggregate(type, grouped, refs);
      const key = wish.keys?.[index] ?? (wish.read === true ? this.name('f') : `f${index}`);
      const column = expression.is === 'column' ? expression.ref.column : key;
      // Two columns of one name can't both be read from outside.
      const clash = taken.has(column);
      taken.add(column);
      const own = expression.is === 'column' && refs.includes(expression.ref);
      const named = !own || (wish.read === true && clash && typeOf(expression) !== 'secret');
      return { key, expression, named };
    });
  }

  #aggregate(type: ColumnType, grouped: readonly Ref[], refs: readonly Ref[]): Expression {
    const { tape } = this;
    const group = grouped.filter((ref) => ref.type === type);
    if (group.length > 0 && !tape.once(4)) return { is: 'column', ref: tape.pick(group) };
    const of = this.ref(refs, type);
    const countable = of ?? refs.find((ref) => ref.type === 'tenant' || ref.type === 'text');
    if (type === 'int' && countable !== undefined) {
      const name = of === undefined ? ('count' as const) : tape.pick(['count', 'sum', 'min', 'max', 'countDistinct'] as const);
      return { is: 'aggregate', name, ref: countable };
    }
    if ((type === 'text' || type === 'mood') && of !== undefined) return { is: 'aggregate', name: tape.pick(['min', 'max']), ref: of };
    return { is: 'literal', type: type === 'secret' || type === 'json' || type === 'tenant' ? 'text' : type, value: this.literal(type) };
  }

  #union(wish: SelectWish, fields: readonly Field[]) {
    const types = fields.map(({ expression }) => typeOf(expression));
    const keys = fields.map(({ key }) => key);
    return this.tape.some(1, 2, () => ({
      operator: this.tape.pick(setOperators),
      select: this.select({ depth: wish.depth - 1, ...(wish.outer && { outer: wish.outer }), types, keys, standalone: this.tape.once(3) }),
    }));
  }

  #order(fields: readonly Field[] | undefined, whole: boolean, distinct: Select['distinct']): Order[] {
    const { tape } = this;
    if (fields === undefined || (!whole && distinct !== 'on' && !tape.once(2))) return [];
    const order = (field: number): Order => ({ field, direction: tape.once(2) ? 'desc' : 'asc' });
    return fields.flatMap(({ expression }, index) =>
      typeOf(expression) === 'secret' || typeOf(expression) === 'json' ? [] : [order(index)],
    );
  }
}

function isLockable(source: Source): boolean {
  return source.is === 'table' && source.table !== 'rates' && source.table !== 'totals' && source.table !== 'vaults';
}

function distinctBy(refs: readonly Ref[]): Ref[] {
  return [...new Map(refs.map((ref) => [`${ref.source}.${ref.column}`, ref])).values()];
}
