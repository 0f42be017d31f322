import { randomUUID } from 'node:crypto';
import { and, eq, inArray, is, isNull, Param, type SQL, sql } from 'drizzle-orm';
import { alias, customType, type PgTable, text } from 'drizzle-orm/pg-core';
import { beforeEach, describe, expect, it } from 'vitest';
import { EncryptedValue, GivenTenantId } from '../../../src/database/deferred.ts';
import { type Ingredient, ingredient, type Token } from '../../../src/database/shape-key.ts';
import { ShapeWalk } from '../../../src/database/shape-walk.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { letters, payments, vaults, vendors } from '../../integration/database/encrypted-schema.ts';
import { archive, orders, products, suppliers } from '../../integration/database/sample-schema.ts';
import { ShapeSubject } from '../../support/shape-subject.ts';

let subject: ShapeSubject;
beforeEach(() => {
  subject = new ShapeSubject({ verify: true });
});

function compile(query: unknown) {
  return subject.dialect.sqlToQuery((query as { getSQL(): SQL }).getSQL());
}

/** Compiles a query until its shape is kept, and answers how many of the last two statements came from the cache. */
function hitsOf(make: () => unknown): number {
  for (let i = 0; i < 2; i += 1) compile(make());
  const { hits } = subject.dialect.shapes;
  for (let i = 0; i < 2; i += 1) compile(make());
  return subject.dialect.shapes.hits - hits;
}

describe('kept', () => {
  const x = () => alias(products, 'x');
  let n = 0;
  const kept: Record<string, (db: ShapeSubject['db']) => unknown> = {
    'a point select': (db) => db.select().from(products).where(eq(products.id, n++)),
    'a join': (db) => db.select().from(orders).leftJoin(products, eq(products.id, orders.productId)).limit(n++),
    'an alias made anew each time': (db) => db.select().from(x()).where(eq(x().id, n++)),
    'a subquery': (db) => db.select().from(db.select({ id: products.id }).from(products).where(eq(products.id, n++)).limit(3).as('q')),
    'a CTE': (db) => {
      const cte = db.$with('c').as(db.select({ id: products.id }).from(products).limit(n++));
      return db.with(cte).select().from(cte);
    },
    'a nested builder': (db) =>
      db
        .select()
        .from(products)
        .where(inArray(products.id, db.select({ id: orders.id }).from(orders).limit(n++))),
    'an insert of encrypted values': (db) => db.insert(suppliers).values({ id: n++, name: 'x', iban: 'DE89' }),
    'a comparison by a blind index': (db) =>
      db
        .select()
        .from(vendors)
        .where(eq(vendors.iban, `DE${n++}`)),
    'a list compared by a blind index': (db) =>
      db
        .select()
        .from(vendors)
        .where(inArray(vendors.iban, [`DE${n++}`, 'FR'])),
    'a join by a blind index': (db) => db.select().from(vendors).innerJoin(payments, eq(payments.payee, vendors.iban)).limit(n++),
    'an insert with blind indexes': (db) => db.insert(vendors).values({ id: n++, iban: `DE${n}`, email: 'x' }),
    'an update by a blind index': (db) =>
      db
        .update(vendors)
        .set({ iban: `DE${n++}` })
        .where(eq(vendors.iban, `DE${n}`)),
    'an insert of bound values': (db) => db.insert(letters).values([{ id: `a${n++}`, body: 'x' }, { id: `b${n}` }]),
    'an update of a bound value': (db) =>
      db
        .update(letters)
        .set({ body: 'x' })
        .where(and(eq(letters.id, `a${n++}`), isNull(letters.body))),
    'an upsert of a bound value': (db) =>
      db
        .insert(letters)
        .values({ id: `a${n++}`, body: 'x' })
        .onConflictDoUpdate({ target: letters.id, set: { body: 'y' } }),
    'an upsert': (db) =>
      db
        .insert(archive)
        .values({ id: n++, sku: 'a', owner: 'b' })
        .onConflictDoUpdate({ target: archive.id, set: { sku: 'c' } }),
    'an update with a generated value': (db) => db.update(orders).set({ quantity: n++ }),
    'a delete': (db) => db.delete(orders).where(eq(orders.id, n++)).returning(),
    'a relational query': (db) => db.query.products.findMany({ where: eq(products.id, n++), with: { orders: { limit: 2 } } }),
  };
  for (const [name, make] of Object.entries(kept)) {
    it(name, () => {
      expect(hitsOf(() => make(subject.db))).toBe(2);
    });
  }
});

describe('not kept', () => {
  const raw = customType<{ data: string }>({ dataType: () => 'text', toDriver: (value) => sql`lower(${value})` as never });
  const cased = tenantTable('cased', { id: text('id'), name: raw('name') });
  const not: Record<string, (db: ShapeSubject['db']) => unknown> = {
    'placeholders of bound values': (db) =>
      db.insert(vaults).values({ id: sql.placeholder('id'), profile: sql.placeholder('profile'), token: 'x', touched: 'x' }),
    placeholders: (db) =>
      db
        .select()
        .from(products)
        .where(eq(products.id, sql.placeholder('id'))),
    'parameters in the text': (db) => db.select().from(products).where(sql`true = ${true}`.inlineParams()),
    'values that become SQL': (db) => db.insert(cased).values({ name: 'x' }),
    'set operations': (db) =>
      db
        .select({ id: products.id })
        .from(products)
        .union(db.select({ id: orders.id }).from(orders)),
    'insert … select': (db) =>
      db.insert(archive).select((qb) => qb.select({ id: products.id, sku: products.sku, owner: products.owner }).from(products)),
    'update … from': (db) => db.update(archive).set({ sku: 'x' }).from(products),
    'a subquery as a field': (db) => db.select({ n: db.select({ id: orders.id }).from(orders).as('n') as never }).from(products),
    'a count as a field': (db) => db.select({ n: db.$count(orders) }).from(products),
    'a computed tenant_id': (db) => db.update(archive).set({ tenantId: sql`'a'` }),
    'a tenant_id of null': (db) => db.update(archive).set({ tenantId: null as never }),
  };
  for (const [name, make] of Object.entries(not)) {
    it(name, () => {
      expect(hitsOf(() => make(subject.db))).toBe(0);
    });
  }
});

describe('a kept shape', () => {
  const given = (tenantId: string | null) => subject.db.update(archive).set({ tenantId: tenantId as never, sku: 'x' });
  const run = (tenant: string, make: (db: ShapeSubject['db']) => PromiseLike<unknown>) => subject.outcome(tenant, 1, make);

  it('checks a tenant_id that the caller wrote at every execution', async () => {
    for (let i = 0; i < 4; i += 1) {
      expect((await run('alpha', () => given('alpha'))).params).toEqual(['alpha', 'x', 'alpha']);
      expect((await run('alpha', () => given('beta'))).error).toContain('beta');
      expect((await run('alpha', () => given(null))).error).toContain('tenant_id');
      const bare = (db: ShapeSubject['db'], tenant: string) => db.select().from(archive).where(sql`${archive.tenantId} = ${tenant}`);
      expect((await run('beta', (db) => bare(db, 'beta'))).params).toEqual(['beta', 'beta']);
      expect((await run('beta', (db) => bare(db, 'alpha'))).error).toContain('alpha');
    }
    expect(subject.dialect.shapes.hits).toBeGreaterThan(8);
    expect(compile(given('beta')).params[0]).toBeInstanceOf(GivenTenantId);
  });

  it('makes no acceptance of a refusal, nor the reverse', async () => {
    const where = (column: typeof suppliers.iban | typeof suppliers.name, db: ShapeSubject['db']) =>
      db
        .select({ id: suppliers.id })
        .from(suppliers)
        .where(sql`${sql.param('x', column)} = 'x'`);
    for (let i = 0; i < 5; i += 1) {
      expect((await run('alpha', (db) => where(suppliers.name, db))).error).toBeUndefined();
      expect((await run('alpha', (db) => where(suppliers.iban, db))).error).toContain('encrypted');
    }
    const tested = (chunks: SQL, db: ShapeSubject['db']) => db.select({ id: suppliers.id }).from(suppliers).where(chunks);
    for (let i = 0; i < 5; i += 1) {
      expect((await run('alpha', (db) => tested(isNull(suppliers.iban), db))).error).toBeUndefined();
      expect((await run('alpha', (db) => tested(sql`${suppliers.iban}${sql` is null`}`, db))).error).toContain('encrypted');
    }
  });

  it('fetches keys where a value is encrypted, and not where it is null', () => {
    const insert = (iban: string | null) => subject.db.insert(suppliers).values({ id: 1, name: 'x', iban });
    for (let i = 0; i < 4; i += 1) {
      expect(compile(insert('DE89')).touchesEncrypted).toBe(true);
      expect(compile(insert(null)).touchesEncrypted).toBe(false);
    }
  });

  it('is not made of a statement in which one parameter stands twice', () => {
    const p = (value: number) => sql.param(value);
    const two = (a: ReturnType<typeof p>, b: ReturnType<typeof p>) => subject.db.select().from(archive).where(sql`${a} = ${b}`);
    for (let i = 0; i < 3; i += 1) {
      const same = p(i);
      expect(compile(two(same, same)).params).toContain(i);
    }
    for (let i = 0; i < 4; i += 1)
      expect(compile(two(p(i), p(i + 1))).params.filter((param) => typeof param === 'number')).toEqual([i, i + 1]);
    expect(subject.dialect.shapes.hits).toBeGreaterThan(0);
  });

  it('tells columns apart whose tables share a column builder', () => {
    const shared = { id: text('id'), name: text('name') };
    const [one, two] = [tenantTable('one', shared), tenantTable('two', shared)];
    for (let i = 0; i < 4; i += 1) {
      for (const [table, name] of [
        [one, 'one'],
        [two, 'two'],
      ] as const) {
        const aliased = alias(table as PgTable as typeof one, 'a');
        expect(compile(subject.db.select().from(aliased).where(eq(aliased.name, 'x'))).textFor('s')).toContain(`from "s"."${name}" "a"`);
      }
    }
  });

  it('binds each value to the row of its own statement', () => {
    const rowsOf = ({ params }: ReturnType<typeof compile>) =>
      params.flatMap((param) => (param instanceof EncryptedValue ? [param.place.rowId] : []));
    for (const id of ['a', 'b', 'c', 'd']) {
      expect(
        rowsOf(
          compile(
            subject.db.insert(letters).values([
              { id, body: 'x' },
              { id: `${id}2`, body: 'x' },
            ]),
          ),
        ),
      ).toEqual([id, `${id}2`]);
      expect(rowsOf(compile(subject.db.update(letters).set({ body: 'x' }).where(eq(letters.id, id))))).toEqual([id]);
      const upsert = subject.db
        .insert(letters)
        .values({ id, body: 'x' })
        .onConflictDoUpdate({ target: letters.id, set: { body: 'y' } });
      expect(rowsOf(compile(upsert))).toEqual([id, id]);
    }
    expect(subject.dialect.shapes.hits).toBe(6);
    // A placeholder is no value yet, though JSON would take it for one.
    const row = { id: randomUUID(), token: 'x', touched: 'x' };
    const known = () => compile(subject.db.insert(vaults).values({ ...row, profile: { city: 'x' } }));
    for (let i = 0; i < 3; i += 1) known();
    const { hits } = subject.dialect.shapes;
    const filling = compile(subject.db.insert(vaults).values({ ...row, profile: sql.placeholder('profile') }));
    expect(subject.dialect.shapes.hits).toBe(hits);
    expect(filling.params.some((param) => is(param, Param))).toBe(true);
  });

  it('asks for generated values once a statement', () => {
    let made = 0;
    const next = (of: string) => {
      made += 1;
      return `${of} ${made}`;
    };
    const counted = tenantTable('counted', {
      id: text('id').$defaultFn(() => next('id')),
      at: text('at').$onUpdate(() => next('at')),
    });
    for (let i = 0; i < 4; i += 1) {
      made = 0;
      expect(compile(subject.db.insert(counted).values([{}, {}])).params.slice(1)).toEqual(['id 1', 'at 2', 'id 3', 'at 4']);
      expect(made).toBe(4);
    }
    expect(subject.dialect.shapes.hits).toBe(2);
  });
});

describe('a lazy statement', () => {
  it('stands as it was when it was taken, whatever its builder does next', () => {
    const builder = subject.db.select().from(products).$dynamic();
    const taken = builder.getSQL();
    const joined = subject.db.select({ id: orders.id, sku: products.sku }).from(orders).innerJoin(products, sql`true`).$dynamic();
    const takenJoined = joined.getSQL();
    builder.where(eq(products.id, 1)).limit(1);
    joined.leftJoin(archive, sql`true`);
    expect(compile(taken).sql).not.toContain('limit');
    expect(compile(takenJoined).sql).not.toContain('archive');
    expect(compile(builder).sql).toContain('limit');
    expect(compile(joined).sql).toContain('archive');
  });

  it('takes what is appended to it, and no change behind its back', () => {
    const make = () => subject.db.select({ id: products.id }).from(products).getSQL();
    for (let i = 0; i < 4; i += 1) {
      expect(compile(make()).sql).not.toContain('limit 1');
      expect(compile(make().append(sql` limit 1`)).sql).toMatch(/ limit 1$/);
    }
    expect(() => (make().queryChunks as unknown[]).push(sql` limit 1`)).toThrow(TypeError);
  });
});

describe('the cache', () => {
  it('leaves nothing of its trials in a subquery of another database', () => {
    const other = new ShapeSubject({});
    for (let i = 0; i < 5; i += 1) {
      const inner = other.db.select({ id: products.id }).from(products).limit(i).as('q');
      const outer = () => compile(subject.db.select().from(inner).limit(9));
      expect([outer(), outer(), outer()].map(({ params }) => params.slice(1))).toEqual(Array(3).fill([i, 9]));
    }
  });

  it('forgets everything when its places are used up', () => {
    subject = new ShapeSubject({ capacity: 300, verify: true });
    for (let i = 0; i < 200; i += 1) {
      compile(
        subject.db
          .select()
          .from(products)
          .where(sql`${sql.raw(`${i} = ${i}`)}`),
      );
      expect(subject.dialect.shapes.places).toBeLessThanOrEqual(300);
    }
    expect(hitsOf(() => subject.db.select().from(archive))).toBe(2);
  });

  it('leaves lists of thousands to the ordinary path', () => {
    const ids = Array.from({ length: 5_000 }, (_, i) => i);
    expect(hitsOf(() => subject.db.select().from(archive).where(inArray(archive.id, ids)))).toBe(0);
  });

  it('is not confused by an encoder that compiles a query of its own', () => {
    const curious = {
      mapToDriverValue: (value: unknown) => {
        compile(subject.db.select().from(archive).where(eq(archive.sku, 'inner')));
        return value;
      },
    };
    for (let i = 0; i < 5; i += 1) {
      const query = subject.db
        .select()
        .from(products)
        .where(and(eq(products.sku, 'a'), sql`${sql.param(i, curious)} = ${products.id}`));
      expect(compile(query).params.slice(1)).toEqual(['a', i]);
    }
  });

  it('in verify mode throws where a kept statement is not what is built', () => {
    class Blind extends ShapeWalk {
      protected override step(of: Ingredient, part: Token): void {
        if (of !== ingredient.text) super.step(of, part);
      }
    }
    const select = (operator: string) =>
      subject.db
        .select()
        .from(products)
        .where(sql`${products.id} ${sql.raw(operator)} ${1}`);
    for (const verify of [true, false]) {
      subject = new ShapeSubject({ walk: new Blind(), verify });
      for (let i = 0; i < 3; i += 1) compile(select('='));
      if (verify) expect(() => compile(select('<>'))).toThrow('defect');
      // The control: without it the wrong text would be sent.
      else expect(compile(select('<>')).sql).toContain('"products"."id" = ');
    }
  });
});
