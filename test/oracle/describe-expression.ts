import {
  type ColumnType,
  type Condition,
  type Expression,
  keyOf,
  type Literal,
  moods,
  type Operator,
  type Ref,
  type Select,
  type Source,
  type TableName,
  tableColumns,
} from './description.ts';
import type { Tape } from './tape.ts';

const operators: readonly Operator[] = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte'];
export const comparable: readonly ColumnType[] = ['int', 'text', 'mood', 'bool', 'tenant'];

/** A source with its columns. */
export interface Described {
  readonly source: Source;
  readonly refs: readonly Ref[];
}

/** What a select is described for. */
export interface SelectWish {
  readonly depth: number;
  /** Columns of the queries around it. */
  readonly outer?: readonly Ref[];
  /** CTEs that it may read. */
  readonly ctes?: readonly Described[];
  /** The types of its fields, where something has to match them. */
  readonly types?: readonly ColumnType[];
  /** Their keys, likewise. */
  readonly keys?: readonly string[];
  /** Whether another query reads its fields by name. */
  readonly read?: boolean;
  readonly standalone?: boolean;
}

/** Describes expressions and conditions over columns in sight; the selects inside them are its subclass's. */
export abstract class ExpressionDescriber {
  readonly tape: Tape;
  protected readonly tables: readonly TableName[];
  #names = 0;

  constructor(tape: Tape, tables: readonly TableName[]) {
    this.tape = tape;
    this.tables = tables;
  }

  abstract select(wish: SelectWish): Select & { readonly output: readonly Ref[] };

  abstract tableSource(taken: readonly string[], outer: readonly Ref[], used?: Set<string>): Described;

  name(prefix: string): string {
    this.#names += 1;
    return `${prefix}${this.#names}`;
  }

  /** A select of one field of one row at most. */
  scalar(type: ColumnType, depth: number, outer: readonly Ref[]): Select {
    const from = this.tableSource([], outer);
    const ref = this.ref(from.refs, type) ?? this.ref(from.refs, 'int')!;
    const where = this.condition(0, [...outer, ...from.refs], []);
    const name = this.tape.pick(['max', 'min', ...(type === 'int' ? (['count', 'sum'] as const) : [])] as const);
    return {
      standalone: depth > 0 && this.tape.once(3),
      ctes: [],
      distinct: false,
      fields: [{ key: 'f0', expression: { is: 'aggregate', name, ref }, named: true }],
      from: from.source,
      joins: [],
      where,
      groupBy: [],
      union: [],
      orderBy: [],
      ordered: true,
    };
  }

  condition(depth: number, scope: readonly Ref[], ctes: readonly Described[]): Condition {
    const { tape } = this;
    const ref = tape.pick(scope);
    const simple = (): Condition => this.#comparison(scope, ref);
    switch (tape.below(depth > 0 ? 18 : 10)) {
      case 1:
        return { is: 'null', ref, not: tape.once(2) };
      case 2: {
        const other = this.ref(scope, ref.type);
        return other === undefined || !comparable.includes(ref.type)
          ? simple()
          : { is: 'columns', operator: tape.pick(operators), left: ref, right: other };
      }
      case 3: {
        const listed = this.#valued(scope);
        return listed.type === 'tenant' || listed.type === 'secret' || listed.type === 'json'
          ? simple()
          : { is: 'list', ref: listed, values: tape.some(1, 3, () => this.literal(listed.type)), not: tape.once(3) };
      }
      case 4: {
        const int = this.ref(scope, 'int');
        return int === undefined ? simple() : { is: 'between', ref: int, from: tape.below(5), to: tape.below(9) };
      }
      case 5: {
        const text = this.ref(scope, 'text');
        return text === undefined
          ? simple()
          : { is: 'like', ref: text, pattern: tape.pick(['%', 'a%', '%1', 'c_', 'B%']), fold: tape.once(2) };
      }
      case 6:
        return { is: 'not', of: this.condition(depth - 1, scope, ctes) };
      case 7:
        return { is: 'raw or', of: simple() };
      case 10:
      case 11:
        return { is: tape.pick(['and', 'or']), of: [this.condition(depth - 1, scope, ctes), this.condition(depth - 1, scope, ctes)] };
      case 12:
      case 13:
        return {
          is: 'exists',
          not: tape.once(3),
          select: this.select({ depth: depth - 1, outer: scope, ctes, types: ['int'], standalone: tape.once(3) }),
        };
      case 14:
      case 15: {
        const sought = this.#valued(scope);
        if (!comparable.includes(sought.type)) return simple();
        const select = this.select({ depth: depth - 1, outer: scope, ctes, types: [sought.type], standalone: tape.once(3) });
        return { is: 'in', ref: sought, not: tape.once(3), select };
      }
      case 16: {
        const int = this.ref(scope, 'int');
        return int === undefined
          ? simple()
          : { is: 'scalar', operator: tape.pick(operators), ref: int, select: this.scalar('int', depth, scope) };
      }
      case 17: {
        const table = tape.pick(['shops', 'items', 'sales', 'rates'] as const);
        const key = keyOf[table];
        const same = this.ref(scope, tableColumns[table][key] as ColumnType);
        return same === undefined ? simple() : { is: 'fragment', table, key, ref: same };
      }
      default:
        return simple();
    }
  }

  expression(type: ColumnType, scope: readonly Ref[], depth: number): Expression {
    const { tape } = this;
    const ref = this.ref(scope, type);
    const choice = tape.below(depth > 0 ? 9 : 6);
    if (choice === 1 && type === 'int' && ref !== undefined) return { is: 'plus', ref, value: tape.below(4) };
    if (choice === 2 && type === 'text' && ref !== undefined) return { is: 'call', name: 'upper', ref };
    if (choice === 2 && type === 'int') {
      const text = this.ref(scope, 'text');
      if (text !== undefined) return { is: 'call', name: 'length', ref: text };
    }
    if (choice === 3 && (type === 'int' || type === 'text') && ref !== undefined) return { is: 'coalesce', ref, value: this.literal(type) };
    if (choice === 4 && type === 'bool' && scope.length > 0) return { is: 'condition', condition: this.condition(0, scope, []) };
    if (choice >= 6 && (type === 'int' || type === 'text') && scope.length > 0) {
      if (choice === 8 && type === 'int') {
        const table = tape.pick(this.tables);
        const refs = refsOf(table, table);
        return { is: '$count', table, ...(tape.once(3) ? {} : { where: this.condition(0, [...refs, ...scope], []) }) };
      }
      return { is: 'scalar', select: this.scalar(type, depth, scope) };
    }
    if (ref !== undefined) return { is: 'column', ref };
    return { is: 'literal', type, value: this.literal(type) };
  }

  ref(scope: readonly Ref[], type: ColumnType): Ref | undefined {
    const fitting = scope.filter((ref) => ref.type === type);
    return fitting.length === 0 ? undefined : this.tape.pick(fitting);
  }

  literal(type: ColumnType): Literal {
    const { tape } = this;
    switch (type) {
      case 'int':
        return tape.below(9);
      case 'bool':
        return tape.below(2) === 0;
      case 'mood':
        return tape.pick(moods);
      case 'json':
        return tape.pick(['{}', '{"a": 1}']);
      default:
        return tape.pick(['a', 'b', 'c1', 'c2', 'A', 'made', '']);
    }
  }

  #comparison(scope: readonly Ref[], wanted: Ref): Condition {
    const ref = wanted.type === 'secret' || wanted.type === 'json' || wanted.type === 'tenant' ? this.#valued(scope) : wanted;
    if (ref.type === 'secret' || ref.type === 'json' || ref.type === 'tenant') return { is: 'null', ref, not: true };
    return {
      is: 'compare',
      operator: this.tape.pick(ref.type === 'bool' ? (['eq', 'ne'] as const) : operators),
      ref,
      value: this.literal(ref.type),
    };
  }

  /** A column that literals are compared with. */
  #valued(scope: readonly Ref[]): Ref {
    const fitting = scope.filter(({ type }) => type === 'int' || type === 'text' || type === 'mood');
    return fitting.length === 0 ? scope[0]! : this.tape.pick(fitting);
  }
}

export function refsOf(table: TableName, name: string): Ref[] {
  return Object.entries(tableColumns[table]).map(([column, type]) => ({ source: name, column, type }));
}

export function typeOf(expression: Expression): ColumnType {
  switch (expression.is) {
    case 'column':
      return expression.ref.type;
    case 'literal':
      return expression.type;
    case 'coalesce':
      return expression.ref.type;
    case 'call':
      return expression.name === 'upper' ? 'text' : 'int';
    case 'condition':
      return 'bool';
    case 'aggregate':
      return expression.name === 'min' || expression.name === 'max' ? expression.ref.type : 'int';
    case 'scalar':
      return typeOf(expression.select.fields![0]!.expression);
    default:
      return 'int';
  }
}
