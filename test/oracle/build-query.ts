import { asc, desc, sql } from 'drizzle-orm';
import type { AnyPgColumn, QueryBuilder } from 'drizzle-orm/pg-core';
import { type AnyDatabase, type AnySchema, type Env, type Loose, SelectBuilding } from './build-select.ts';
import type { Insert, Query, Relational, Select, TableName, Update, Values, Write } from './description.ts';
import { rawTemplates } from './raw-templates.ts';
import { relations } from './relations.ts';

/** Makes a described query over a database, ready to be awaited. */
export function buildQuery(db: AnyDatabase, schema: AnySchema, query: Query): PromiseLike<unknown> {
  return new QueryBuilding(db, schema, query.prepared).query(query);
}

class QueryBuilding extends SelectBuilding {
  query(query: Query): PromiseLike<unknown> {
    switch (query.is) {
      case 'select':
        return this.run(this.select(query.select, new Map()));
      case 'relational':
        return this.run(this.db.query[query.table][query.first ? 'findFirst' : 'findMany'](this.relational(query.table, query.config)));
      case '$count':
        return this.count(query.table, query.where, new Map());
      case 'raw':
        return this.db.execute(rawTemplates[query.template % rawTemplates.length]!(query.value));
      case 'write':
        return this.run(this.write(query.write));
    }
  }

  protected relational(table: TableName, config: Relational): Loose {
    const env = (columns: Loose): Env => new Map([[table, columns]]);
    return {
      ...(config.columns && { columns: Object.fromEntries(config.columns.map((column) => [column, true])) }),
      ...(config.where && { where: (columns: Loose) => this.condition(config.where!, env(columns)) }),
      orderBy: (columns: Loose) => (config.descending ? desc : asc)(columns.id),
      ...(config.limit !== undefined && { limit: this.parameter(config.limit, true) }),
      ...(config.offset !== undefined && { offset: config.offset }),
      ...(config.extra && { extras: (columns: Loose) => ({ extra: sql`${this.expression(config.extra!, env(columns))}`.as('extra') }) }),
      with: Object.fromEntries(Object.entries(config.with).map(([relation, inner]) => [relation, this.relation(relation, inner)])),
    };
  }

  protected relation(relation: string, config: Relational): Loose {
    const { table, many } = relations[relation]!;
    const made = this.relational(table, config);
    if (many) return made;
    const { orderBy: _orderBy, limit: _limit, offset: _offset, where: _where, ...one } = made;
    return one;
  }

  protected override write(write: Write): Loose {
    const env = new Map<string, Record<string, AnyPgColumn>>();
    const ctes = this.ctes(write.ctes, env);
    const start = ctes.length === 0 ? this.db : this.db.with(...ctes);
    const table = this.schema[write.table] as Loose;
    env.set(write.table, table);
    const query =
      write.is === 'insert' ? this.insert(start, write, env) : write.is === 'update' ? this.update(start, write, env) : start.delete(table);
    if (write.is !== 'insert' && write.where) query.where(this.condition(write.where, env));
    if (write.returning === undefined) return query;
    if (write.returning === 'all') return query.returning();
    return query.returning(Object.fromEntries(write.returning.map((column) => [column, table[column]])));
  }

  protected insert(start: Loose, { table, rows, overriding, conflict }: Insert, env: Env): Loose {
    const target = this.schema[table] as Loose;
    let builder = start.insert(target);
    if (overriding) builder = builder.overridingSystemValue();
    const query = Array.isArray(rows)
      ? builder.values(rows.map((row: Values) => this.values(table, row, env)))
      : (rows as Select).standalone
        ? builder.select((qb: QueryBuilder) => this.select(rows as Select, env, { inside: true, builder: qb }))
        : builder.select(this.select(rows as Select, env));
    if (conflict === undefined) return query;
    const columns = conflict.target?.map((column) => target[column]);
    if (conflict.set === undefined) return query.onConflictDoNothing(columns && { target: columns });
    return query.onConflictDoUpdate({
      target: columns,
      set: this.values(table, conflict.set, env),
      ...(conflict.where && { setWhere: this.condition(conflict.where, env) }),
    });
  }

  protected update(start: Loose, { table, set, from }: Update, env: Map<string, Record<string, AnyPgColumn>>): Loose {
    if (from === undefined) return start.update(this.schema[table]).set(this.values(table, set, env));
    const source = this.source(from.source, env);
    for (const join of from.joins) this.source(join.source, env);
    let query = start
      .update(this.schema[table])
      .set(this.values(table, set, env))
      .from(source);
    for (const join of from.joins) query = this.join(query, join, env.get(join.source.name), env);
    return query;
  }

  protected values(table: TableName, values: Values, env: Env): Loose {
    return Object.fromEntries(
      Object.entries(values).map(([column, value]) => {
        if (value.is === 'excluded') {
          const { name } = (this.schema[table] as unknown as Record<string, AnyPgColumn>)[value.column]!;
          return [column, sql`excluded.${sql.identifier(name)}`];
        }
        if (value.is === 'literal') return [column, typeof value.value === 'object' ? value.value : this.parameter(value.value)];
        const made = this.expression(value.expression, env);
        return [column, value.expression.is === 'column' ? made : sql`${made}`];
      }),
    );
  }
}
