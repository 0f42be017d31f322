import { type Described, refsOf } from './describe-expression.ts';
import type { SelectDescriber } from './describe-select.ts';
import {
  type Condition,
  type Cte,
  type Expression,
  type Insert,
  type Join,
  keyOf,
  type Ref,
  type Select,
  type TableName,
  tableColumns,
  type Update,
  type Values,
  type Write,
  written,
} from './description.ts';
import type { Tape } from './tape.ts';

type Written = (typeof written)[number];

/** Describes writes whose effect is decided by the rows alone. */
export class WriteDescriber {
  readonly #tape: Tape;
  readonly #selects: SelectDescriber;
  readonly #tables: readonly TableName[];

  constructor(selects: SelectDescriber, tables: readonly TableName[]) {
    this.#tape = selects.tape;
    this.#selects = selects;
    this.#tables = tables;
  }

  where(depth: number, scope: readonly Ref[], ctes: readonly Described[]): { readonly where?: Condition } {
    return this.#tape.once(4) ? {} : { where: this.#selects.condition(depth, scope, ctes) };
  }

  write(withCte: boolean): Write {
    const tape = this.#tape;
    const kind = tape.below(8);
    const table = tape.pick(written);
    const columns = Object.keys(tableColumns[table]);
    const returning = tape.once(3)
      ? undefined
      : tape.once(2)
        ? ('all' as const)
        : columns.filter((column) => column === keyOf[table] || tape.once(2));
    const base = { table, ...(returning && { returning }) };
    if (kind < 3) return { is: 'insert', ...base, ctes: [], ...this.#inserted(table) };
    if (kind === 3) return this.#insertSelect(returning);
    const cte = withCte ? this.#cte() : undefined;
    const ctes = cte ? [cte.cte] : [];
    const scope = refsOf(table, table);
    const where = cte ? { where: this.#inCte(scope, cte.described) } : this.where(1, scope, []);
    if (kind === 7) return { is: 'delete', ...base, ctes, ...where };
    const from = tape.once(3) ? this.#from(table) : undefined;
    if (from === undefined) return { is: 'update', ...base, ctes, set: this.#set(table, scope), ...where };
    const extra = this.#selects.condition(0, [...scope, ...from.refs], []);
    const condition = { is: 'and', of: [from.on, ...(tape.once(2) ? [extra] : []), ...(cte && where.where ? [where.where] : [])] } as const;
    // Raw SQL with an `or` at its top level goes round what joins the two: then each row has many, and PostgreSQL may take any of them.
    const joined = !JSON.stringify(condition).includes('"raw or"');
    return {
      is: 'update',
      ...base,
      // `all` names the joined row too.
      ...(returning === 'all' && !joined ? { returning: columns } : {}),
      ctes,
      set: this.#set(table, joined ? [...scope, ...from.refs] : scope),
      from: from.from,
      where: condition,
    };
  }

  #cte(): { readonly cte: Cte; readonly described: Described } {
    const name = this.#selects.name('w');
    const { output, ...query } = this.#selects.select({ depth: 1, read: true, types: ['int'] });
    return { cte: { name, query }, described: { source: { is: 'cte', name }, refs: output.map((ref) => ({ ...ref, source: name })) } };
  }

  #inCte(scope: readonly Ref[], { source, refs }: Described): Condition {
    const field = refs[0]!;
    return {
      is: 'in',
      ref: this.#selects.ref(scope, 'int')!,
      not: false,
      select: {
        standalone: this.#tape.once(2),
        ctes: [],
        distinct: false,
        fields: [{ key: 'f0', expression: { is: 'column', ref: field }, named: false }],
        from: source,
        joins: [],
        groupBy: [],
        union: [],
        orderBy: [],
        ordered: false,
      },
    };
  }

  /** One row of the source for each of the target's: more would leave PostgreSQL the choice. */
  #from(table: Written): { readonly from: NonNullable<Update['from']>; readonly refs: readonly Ref[]; readonly on: Condition } | undefined {
    const tape = this.#tape;
    const [foreign, to] = (
      { sales: ['itemId', 'items'], items: ['shopId', 'shops'], shops: ['parentId', 'vaults'], notes: ['number', 'totals'] } as const
    )[table];
    if (!this.#tables.includes(to)) return undefined;
    const name = to === 'items' || to === 'shops' ? (tape.once(2) ? this.#selects.name('t') : to) : to;
    const refs = refsOf(to, name);
    const joins: Join[] = [];
    const all = [...refs];
    if (to === 'items' && tape.once(2)) {
      const joined = this.#selects.name('t');
      const joinedRefs = refsOf('shops', joined);
      const left = refs.find(({ column }) => column === 'shopId')!;
      const right = joinedRefs.find(({ column }) => column === 'id')!;
      joins.push({
        type: tape.pick(['left', 'inner'] as const),
        lateral: false,
        source: { is: 'table', table: 'shops', name: joined },
        on: { is: 'columns', operator: 'eq', left, right },
      });
      all.push(...joinedRefs);
    }
    const left: Ref = { source: table, column: foreign, type: 'int' };
    const right: Ref = { source: name, column: keyOf[to], type: 'int' };
    return { from: { source: { is: 'table', table: to, name }, joins }, refs: all, on: { is: 'columns', operator: 'eq', left, right } };
  }

  #inserted(table: Written): Pick<Insert, 'rows' | 'overriding' | 'conflict'> {
    const tape = this.#tape;
    const rows = tape.some(1, 3, () => this.#row(table));
    const conflict = tape.once(2) ? this.#conflict(table) : undefined;
    return { rows, overriding: table === 'notes', ...(conflict && { conflict }) };
  }

  #conflict(table: Written): NonNullable<Insert['conflict']> {
    const tape = this.#tape;
    const unique = { shops: ['id', 'name'], items: ['id', 'code'], sales: ['id'], notes: ['number'] }[table];
    const target = [tape.pick(unique)];
    if (tape.once(2)) return tape.once(2) ? { target } : {};
    const refs = refsOf(table, table);
    const set = this.#set(table, refs);
    const excluded: Values = tape.once(2) ? { [this.#plain(table)]: { is: 'excluded', column: this.#plain(table) } } : {};
    const where = tape.once(2) ? { where: this.#selects.condition(0, refs, []) } : {};
    // Of one type, or PostgreSQL refuses the assignment.
    const [[to, from] = []] = Object.entries(excluded);
    const same = to !== undefined && from?.is === 'excluded' && tableColumns[table][to] === tableColumns[table][from.column];
    return { target, set: same ? { ...set, ...excluded } : set, ...where };
  }

  #plain(table: Written): string {
    return this.#tape.pick(
      { shops: ['size', 'parentId', 'touched'], items: ['price', 'note'], sales: ['amount', 'buyer'], notes: ['body'] }[table],
    );
  }

  #row(table: Written): Values {
    const tape = this.#tape;
    const key = keyOf[table];
    const required = table === 'items' ? [key, 'code'] : [key];
    const columns = Object.keys(tableColumns[table]).filter(
      (column) => column !== 'tenantId' && (required.includes(column) || tape.once(2)),
    );
    return Object.fromEntries(
      columns.map((column) => {
        const type = tableColumns[table][column]!;
        if (column === key || column === 'code' || type === 'secret' || type === 'json' || tape.below(4) > 0)
          return [column, this.#value(table, column)];
        return [column, { is: 'expression', expression: this.#selects.expression(type, [], 1) }];
      }),
    );
  }

  #value(table: Written, column: string): Values[string] {
    const tape = this.#tape;
    const type = tableColumns[table][column]!;
    if (column === 'rate') return { is: 'literal', value: tape.pick(['A', 'B', 'C']) };
    if (type === 'json') return { is: 'literal', value: tape.pick([{ a: 1 }, { b: ['x', null] }, {}]) };
    if (type === 'secret') return { is: 'literal', value: tape.pick(['s1', 's2', '']) };
    const nullable = column !== keyOf[table] && column !== 'code' && column !== 'price' && column !== 'active';
    if (nullable && tape.once(5)) return { is: 'literal', value: null };
    return { is: 'literal', value: this.#selects.literal(type) };
  }

  /** Keys stay, or get one value: several rows updated in turn could meet each other. */
  #set(table: Written, scope: readonly Ref[]): Values {
    const tape = this.#tape;
    const columns = Object.keys(tableColumns[table]).filter((column) => column !== 'tenantId' && column !== keyOf[table]);
    const wanted = new Set(tape.some(1, 2, () => tape.pick(columns)));
    return Object.fromEntries(
      [...wanted].map((column) => {
        const type = tableColumns[table][column]!;
        const fixed = column === 'code' || column === 'name' || column === 'rate' || type === 'secret' || type === 'json' || tape.once(2);
        if (fixed) return [column, this.#value(table, column)];
        return [column, { is: 'expression', expression: this.#selects.expression(type, scope, 1) }];
      }),
    );
  }

  #insertSelect(returning: Insert['returning']): Insert {
    const tape = this.#tape;
    const { output: _output, ...select } = this.#salesFrom(10);
    const union = tape.once(4) ? [{ operator: 'unionAll' as const, select: this.#salesFrom(30) }] : [];
    const conflict = tape.once(3) ? { conflict: tape.once(2) ? { target: ['id'] } : {} } : {};
    const sales = Object.keys(tableColumns.sales);
    return {
      is: 'insert',
      table: 'sales',
      ctes: [],
      rows: { ...select, union, standalone: tape.once(2) },
      overriding: false,
      ...conflict,
      ...(returning && { returning: returning === 'all' ? 'all' : sales.filter((column) => column === 'id' || tape.once(2)) }),
    };
  }

  /** Rows for `sales`, with keys of their own for each row of the source. */
  #salesFrom(offset: number): Select & { readonly output: readonly Ref[] } {
    const tape = this.#tape;
    const table = tape.pick(['shops', 'items', 'sales', 'notes'] as const);
    const refs = refsOf(table, table);
    const ref = (column: string): Ref => refs.find((candidate) => candidate.column === column)!;
    const of = (type: 'int' | 'text' | 'mood') => this.#selects.expression(type, refs, 1);
    const field = (key: string, expression: Expression) => ({
      key,
      expression,
      named: expression.is !== 'column',
    });
    return {
      standalone: false,
      ctes: [],
      distinct: tape.once(6),
      fields: [
        field('tenantId', { is: 'column', ref: ref('tenantId') }),
        field('id', { is: 'plus', ref: ref(keyOf[table]), value: offset + tape.below(3) * 10 }),
        field(
          'itemId',
          tape.once(2) && table === 'sales' ? { is: 'column', ref: ref('itemId') } : { is: 'literal', type: 'int', value: null },
        ),
        field('amount', of('int')),
        field('mood', of('mood')),
        field('buyer', of('text')),
      ],
      from: { is: 'table', table, name: table },
      joins: [],
      ...this.where(1, refs, []),
      groupBy: [],
      union: [],
      orderBy: [],
      ordered: false,
      output: [],
    };
  }
}
