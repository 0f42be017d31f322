import {
  and,
  asc,
  between,
  count,
  countDistinct,
  desc,
  eq,
  exists,
  gt,
  gte,
  ilike,
  inArray,
  isNotNull,
  isNull,
  like,
  lt,
  lte,
  max,
  min,
  ne,
  not,
  notExists,
  notInArray,
  or,
  type SQL,
  sql,
  sum,
} from 'drizzle-orm';
import { type AnyPgColumn, alias, type PgDatabase, type PgTable, QueryBuilder } from 'drizzle-orm/pg-core';
import type { ColumnType, Condition, Cte, Expression, Field, Join, Literal, Ref, Select, Source, TableName, Write } from './description.ts';
import type * as scoped from './scoped-schema.ts';

/** Any drizzle database: of the library, or stock. */
export type AnyDatabase = PgDatabase<never, typeof scoped, never>;

/** The tables that a query is built over: of `scoped-schema.ts` or of `stock-schema.ts`, which are alike. */
export type AnySchema = typeof scoped;

// Descriptions decide at run time what drizzle's types want to know before.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Loose = any;

export type Env = ReadonlyMap<string, Record<string, AnyPgColumn>>;

const operators = { eq, ne, gt, gte, lt, lte };
const casts: Readonly<Record<ColumnType, string>> = {
  int: '::integer',
  text: '::text',
  bool: '::boolean',
  mood: '',
  json: '::jsonb',
  secret: '::text',
  tenant: '::text',
};

/** Builds selects, and what stands in them. */
export abstract class SelectBuilding {
  protected readonly db: Loose;
  protected readonly schema: AnySchema;
  protected readonly prepared: boolean;
  protected readonly placeholders: Record<string, unknown> = {};

  constructor(db: AnyDatabase, schema: AnySchema, prepared: boolean) {
    this.db = db;
    this.schema = schema;
    this.prepared = prepared;
  }

  protected run(builder: Loose): PromiseLike<unknown> {
    return this.prepared ? builder.prepare('prepared').execute(this.placeholders) : builder;
  }

  protected select(select: Select, outer: Env, parts: { readonly inside?: boolean; readonly builder?: Loose } = {}): Loose {
    const env = new Map(outer);
    const ctes = this.ctes(select.ctes, env);
    const database = parts.builder ?? (select.standalone && parts.inside === true ? new QueryBuilder() : this.db);
    const start = ctes.length === 0 ? database : database.with(...ctes);
    const from = this.source(select.from, env);
    for (const join of select.joins) if (!join.lateral) this.source(join.source, env);
    const laterals = new Map<Join, Loose>();
    for (const join of select.joins) if (join.lateral) laterals.set(join, this.source(join.source, env));
    const fields = select.fields && Object.fromEntries(select.fields.map((field) => [field.key, this.field(field, env)]));
    const on = select.distinct === 'on' ? [this.expression(select.fields![0]!.expression, env)] : undefined;
    let query: Loose = on
      ? start.selectDistinctOn(on, fields)
      : select.distinct === true
        ? start.selectDistinct(fields)
        : start.select(fields);
    query = query.from(from).$dynamic();
    for (const join of select.joins) query = this.join(query, join, laterals.get(join) ?? env.get(join.source.name), env);
    if (select.where) query = query.where(this.condition(select.where, env));
    if (select.groupBy.length > 0) query = query.groupBy(...select.groupBy.map((ref) => this.column(ref, env)));
    if (select.having !== undefined) query = query.having(gte(count(), select.having));
    for (const { operator, select: right } of select.union) query = query[operator](this.select(right, outer, { inside: true }));
    if (select.orderBy.length > 0) {
      query = query.orderBy(
        ...select.orderBy.map(({ field, direction }) => {
          const { expression } = select.fields![field]!;
          if (expression.is === 'column' && select.union.length === 0)
            return (direction === 'asc' ? asc : desc)(this.column(expression.ref, env));
          return sql.raw(`${field + 1} ${direction}`);
        }),
      );
    }
    if (select.limit !== undefined) query = query.limit(this.parameter(select.limit, true));
    if (select.offset !== undefined) query = query.offset(this.parameter(select.offset, true));
    if (select.lock) query = query.for(select.lock);
    return query;
  }

  protected ctes(ctes: readonly Cte[], env: Map<string, Record<string, AnyPgColumn>>): Loose[] {
    return ctes.map(({ name, query }) => {
      const made = this.db.$with(name).as('is' in query ? this.write(query) : this.select(query, new Map(env)));
      env.set(name, made);
      return made;
    });
  }

  protected source(source: Source, env: Map<string, Record<string, AnyPgColumn>>): Loose {
    if (source.is === 'cte') return env.get(source.name);
    const made =
      source.is === 'table'
        ? source.name === source.table
          ? this.schema[source.table]
          : alias(this.schema[source.table] as PgTable, source.name)
        : this.select(source.select, env).as(source.name);
    env.set(source.name, made as never);
    return made;
  }

  protected join(query: Loose, { type, lateral, on }: Join, source: Loose, env: Env): Loose {
    const condition = on ? this.condition(on, env) : type === 'cross' ? undefined : sql`true`;
    const method = `${type}Join${lateral ? 'Lateral' : ''}`;
    return condition === undefined ? query[method](source) : query[method](source, condition);
  }

  protected column(ref: Ref, env: Env): Loose {
    const source = env.get(ref.source) ?? (this.schema[ref.source as TableName] as unknown as Record<string, AnyPgColumn>);
    return source[ref.column];
  }

  protected field({ key, expression, named }: Field, env: Env): Loose {
    const made = this.expression(expression, env);
    return named ? sql`${made}`.as(key) : made;
  }

  protected expression(expression: Expression, env: Env): Loose {
    switch (expression.is) {
      case 'column':
        return this.column(expression.ref, env);
      case 'literal':
        return expression.type === 'mood'
          ? sql`${this.parameter(expression.value)}::${this.schema.mood}`
          : sql`${this.parameter(expression.value)}${sql.raw(casts[expression.type])}`;
      case 'plus':
        return sql`${this.column(expression.ref, env)} + ${this.parameter(expression.value)}`;
      case 'call':
        return sql`${sql.raw(expression.name)}(${this.column(expression.ref, env)})`;
      case 'coalesce':
        return sql`coalesce(${this.column(expression.ref, env)}, ${this.parameter(expression.value)})`;
      case 'condition':
        return sql`(${this.condition(expression.condition, env)})`;
      case 'aggregate':
        return { count, sum, min, max, countDistinct }[expression.name](this.column(expression.ref, env));
      case 'scalar':
        return sql`${this.select(expression.select, env, { inside: true })}`;
      case '$count':
        return this.count(expression.table, expression.where, env);
    }
  }

  protected count(table: TableName, where: Condition | undefined, env: Env): Loose {
    const inner = new Map(env).set(table, this.schema[table] as never);
    return this.db.$count(this.schema[table], where && this.condition(where, inner));
  }

  protected condition(condition: Condition, env: Env): SQL {
    switch (condition.is) {
      case 'null':
        return (condition.not ? isNotNull : isNull)(this.column(condition.ref, env));
      case 'compare':
        return operators[condition.operator](this.column(condition.ref, env), this.parameter(condition.value));
      case 'columns':
        return operators[condition.operator](this.column(condition.left, env), this.column(condition.right, env));
      case 'list':
        return (condition.not ? notInArray : inArray)(this.column(condition.ref, env), [...condition.values]);
      case 'between':
        return between(this.column(condition.ref, env), this.parameter(condition.from), this.parameter(condition.to));
      case 'like':
        return (condition.fold ? ilike : like)(this.column(condition.ref, env), condition.pattern);
      case 'not':
        return not(this.condition(condition.of, env));
      case 'and':
      case 'or':
        return (condition.is === 'and' ? and : or)(...condition.of.map((part) => this.condition(part, env)))!;
      case 'raw or':
        return sql`${this.condition(condition.of, env)} or true`;
      case 'exists':
        return (condition.not ? notExists : exists)(this.select(condition.select, env, { inside: true }));
      case 'in':
        return (condition.not ? notInArray : inArray)(
          this.column(condition.ref, env),
          this.select(condition.select, env, { inside: true }),
        );
      case 'scalar':
        return operators[condition.operator](this.column(condition.ref, env), this.select(condition.select, env, { inside: true }));
      case 'fragment':
        return sql`exists (select 1 from ${this.schema[condition.table]} r where r.${sql.identifier(condition.key)} = ${this.column(condition.ref, env)})`;
    }
  }

  protected parameter(value: Literal, always = false): Loose {
    if (!this.prepared || (value === null && !always)) return value;
    const name = `p${Object.keys(this.placeholders).length}`;
    this.placeholders[name] = value;
    return sql.placeholder(name);
  }

  protected abstract write(write: Write): Loose;
}
