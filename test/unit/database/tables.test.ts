import { randomUUID } from 'node:crypto';
import { getTableColumns, sql } from 'drizzle-orm';
import {
  bigint,
  foreignKey,
  getTableConfig,
  getViewConfig,
  index,
  integer,
  numeric,
  pgPolicy,
  pgTable,
  primaryKey,
  serial,
  text,
  unique,
  uniqueIndex,
  uuid,
  varchar,
} from 'drizzle-orm/pg-core';
import { describe, expect, it } from 'vitest';
import { Auditor } from '../../../src/audit/auditor.ts';
import { blindIndex } from '../../../src/database/blind-index.ts';
import { encryptedJson } from '../../../src/database/encrypted-json.ts';
import { encryptedNumber } from '../../../src/database/encrypted-number.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { referenceTable } from '../../../src/database/reference-table.ts';
import { createScopedDatabase } from '../../../src/database/scoped-database.ts';
import { tenantForeignKey } from '../../../src/database/tenant-foreign-key.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { tenantView } from '../../../src/database/tenant-view.ts';
import { uniqueWithinTenant } from '../../../src/database/unique-within-tenant.ts';
import { ConfigurationError } from '../../../src/errors.ts';
import { DirectRouter, TestKeyRing } from '../../support/direct-route.ts';

const parents = tenantTable('parents', { id: integer('id').notNull(), code: text('code') }, (t) => [tenantKey(t.id)]);
const currencies = referenceTable('currencies', { code: text('code').primaryKey() });

describe('tenant tables', () => {
  const table = tenantTable(
    'children',
    {
      id: integer('id').notNull(),
      code: text('code').notNull(),
      parentId: integer('parent_id'),
      currency: text('currency'),
      secret: encryptedText('secret'),
    },
    (t) => [
      tenantKey(t.id),
      uniqueWithinTenant(t.code),
      tenantForeignKey({ columns: [t.parentId], foreignColumns: [parents.id], onDelete: 'cascade' }),
      tenantForeignKey({ name: 'self', columns: [t.parentId], foreignColumns: [t.id] }),
      foreignKey({ columns: [t.currency], foreignColumns: [currencies.code] }),
      index().on(t.code),
      uniqueIndex('u').on(t.tenantId, t.code),
    ],
  );
  const config = getTableConfig(table);

  it('get tenant_id first, as drizzle-kit is to write it', () => {
    const [first] = config.columns;
    expect(first).toMatchObject({ name: 'tenant_id', notNull: true, hasDefault: false, default: undefined });
    expect(first!.getSQLType()).toBe('text');
    expect(Object.keys(getTableColumns(table))).toEqual(['tenantId', 'id', 'code', 'parentId', 'currency', 'secret']);
    expect(table.secret.getSQLType()).toBe('bytea');
    expect(config.schema).toBeUndefined();
  });

  it('lead every key with it', () => {
    const names = (columns: readonly { name: string }[]) => columns.map(({ name }) => name);
    expect(names(config.primaryKeys[0]!.columns)).toEqual(['tenant_id', 'id']);
    expect(names(config.uniqueConstraints[0]!.columns)).toEqual(['tenant_id', 'code']);
    const [parent, self, currency] = config.foreignKeys.map((key) => ({ ...key.reference(), onDelete: key.onDelete }));
    expect([names(parent!.columns), names(parent!.foreignColumns), parent!.onDelete]).toEqual([
      ['tenant_id', 'parent_id'],
      ['tenant_id', 'id'],
      'cascade',
    ]);
    expect(names(self!.columns)).toEqual(['tenant_id', 'parent_id']);
    expect(names(currency!.columns)).toEqual(['currency']);
  });

  const bound = encryptedText('x', { boundTo: 'id' });
  const columns: Record<string, () => unknown> = {
    'a primary key': () => tenantTable('t', { id: integer('id').primaryKey() }),
    'a unique column': () => tenantTable('t', { id: integer('id').unique() }),
    'a reference': () => tenantTable('t', { id: integer('id').references(() => parents.id) }),
    'a column tenantId': () => tenantTable('t', { tenantId: text('x') } as never),
    'a column tenant_id': () => tenantTable('t', { other: text('tenant_id') }),
    'an encrypted default': () => tenantTable('t', { x: encryptedText('x').default('y') }),
    'an encrypted array': () => tenantTable('t', { x: encryptedText('x').array() }),
    'an unknown normaliser': () => blindIndex({ normalise: 'upper' as never }),
    'an index of one bit': () => blindIndex({ bits: 1 }),
    'an index of half a bit': () => blindIndex({ bits: 8.5 }),
    'an index truncated to nothing less': () => blindIndex({ bits: 256 }),
    'a shared index without a name': () => blindIndex({ name: '' }),
    'a shared index that is truncated': () => blindIndex({ name: 'iban', bits: 12 }),
    'an index that is none': () => encryptedText('x', { index: { normalise: 'exact' } as never }),
    'a normaliser for numbers': () => encryptedNumber('x', { index: blindIndex({ normalise: 'digits' }) }),
    'padding that is none': () => encryptedText('x', { pad: 1 }),
    'a column in the place of an index': () => tenantTable('t', { x: encryptedText('x', { index: blindIndex() }), y: text('x_index') }),
    'an index whose name is too long': () => tenantTable('t', { x: encryptedText('x'.repeat(60), { index: blindIndex() }) }),
    'a row id that is no column': () => tenantTable('t', { x: bound }),
    'a row id that only every object has': () => tenantTable('t', { x: encryptedText('x', { boundTo: 'toString' }) }),
    'a row id that may be null': () => tenantTable('t', { id: integer('id'), x: bound }),
    'a row id that the database makes': () => tenantTable('t', { id: uuid('id').defaultRandom().notNull(), x: bound }),
    'a row id that is counted up': () => tenantTable('t', { id: serial('id').notNull(), x: bound }),
    'a row id that is an identity': () => tenantTable('t', { id: integer('id').generatedAlwaysAsIdentity(), x: bound }),
    'a row id that is computed': () => tenantTable('t', { id: text('id').generatedAlwaysAs(sql`'x'`).notNull(), x: bound }),
    'a row id that updates change': () =>
      tenantTable('t', {
        id: text('id')
          .notNull()
          .$onUpdate(() => 'x'),
        x: bound,
      }),
    'a row id that is written in several ways': () => tenantTable('t', { id: numeric('id').notNull(), x: bound }),
    'a row id that is a list': () => tenantTable('t', { id: text('id').array().notNull(), x: bound }),
    'a row id that is encrypted': () => tenantTable('t', { id: encryptedText('id').notNull(), x: bound }),
    'an encrypted reference column': () => referenceTable('t', { x: encryptedText('x') }),
  };
  for (const [name, make] of Object.entries(columns))
    it(`refuse ${name}`, () => {
      expect(make).toThrow(ConfigurationError);
    });

  const base = { id: integer('id').notNull(), code: text('code').notNull(), secret: encryptedText('secret') };
  const bare = pgTable('bare', { id: integer('id').primaryKey() });
  const extras: Record<string, () => Parameters<typeof getTableConfig>[0]> = {
    'a primary key without tenant_id': () => tenantTable('t', base, (t) => [primaryKey({ columns: [t.id] })]),
    'a unique constraint without it': () => tenantTable('t', base, (t) => [unique().on(t.code)]),
    'a unique index without it': () => tenantTable('t', base, (t) => [uniqueIndex().on(t.code)]),
    'a unique index led by an expression': () => tenantTable('t', base, (t) => [uniqueIndex().on(sql`lower(${t.code})`, t.tenantId)]),
    'tenant_id in the second place': () => tenantTable('t', base, (t) => [uniqueIndex().on(t.code, t.tenantId)]),
    'a foreign key without it': () => tenantTable('t', base, (t) => [foreignKey({ columns: [t.id], foreignColumns: [parents.id] })]),
    'a foreign key to an unmarked table': () => tenantTable('t', base, (t) => [foreignKey({ columns: [t.id], foreignColumns: [bare.id] })]),
    'a set null': () =>
      tenantTable('t', base, (t) => [tenantForeignKey({ columns: [t.id], foreignColumns: [parents.id], onDelete: 'set null' as never })]),
    'a tenant foreign key to a reference table': () =>
      tenantTable('t', base, (t) => [tenantForeignKey({ columns: [t.code], foreignColumns: [currencies.code] })]),
    'a unique constraint over a truncated index': () =>
      tenantTable('t', { ...base, city: encryptedText('city', { index: blindIndex({ bits: 8 }) }) }, (t) => [uniqueWithinTenant(t.city)]),
    'a primary key over an index': () =>
      tenantTable('t', { ...base, iban: encryptedText('iban', { index: blindIndex() }) }, (t) => [tenantKey(t.iban)]),
    'a key over an encrypted column': () => tenantTable('t', base, (t) => [uniqueWithinTenant(t.secret)]),
    'a row id that is no key': () => tenantTable('t', { ...base, x: bound }),
    'a row id that is a key of others only': () =>
      tenantTable('t', { ...base, x: bound }, (t) => [tenantKey(t.code), uniqueWithinTenant(t.id)]),
    'a row id that is a key together with others': () => tenantTable('t', { ...base, x: bound }, (t) => [tenantKey(t.id, t.code)]),
    'a row id that changes with another table’s row': () =>
      tenantTable('t', { ...base, x: bound }, (t) => [
        tenantKey(t.id),
        tenantForeignKey({ columns: [t.id], foreignColumns: [parents.id], onUpdate: 'cascade' }),
      ]),
    'a policy of its own': () => tenantTable('t', base, () => [pgPolicy('p')]),
    'a key of columns of two tables': () => tenantTable('t', base, (t) => [tenantKey(t.id, parents.id)]),
  };
  for (const [name, make] of Object.entries(extras)) {
    it(`refuse ${name} when the extras are read`, () => {
      expect(() => getTableConfig(make())).toThrow(ConfigurationError);
      expect(() =>
        createScopedDatabase({
          schema: { t: make() },
          router: new DirectRouter({} as never, {}),
          keys: new TestKeyRing(),
          auditor: new Auditor([]),
        }),
      ).toThrow(ConfigurationError);
    });
  }

  it('values may be bound to a row by an id that the service makes', () => {
    const ids = [
      uuid('id').$defaultFn(() => randomUUID()),
      text('id'),
      varchar('id', { length: 9 }),
      integer('id'),
      bigint('id', { mode: 'number' }),
      bigint('id', { mode: 'bigint' }),
    ];
    for (const id of ids) {
      const table = tenantTable('t', { id: id.notNull(), x: encryptedJson('x', { boundTo: 'id' }) }, (t) => [tenantKey(t.id)]);
      expect(getTableConfig(table).columns.map(({ name }) => name)).toEqual(['tenant_id', 'id', 'x']);
    }
  });

  it('a schema with an unmarked table is refused', () => {
    expect(() =>
      createScopedDatabase({
        schema: { bare },
        router: new DirectRouter({} as never, {}),
        keys: new TestKeyRing(),
        auditor: new Auditor([]),
      }),
    ).toThrow(/"bare"/);
  });
});

describe('tenant views', () => {
  it('carry tenant_id and, where the query is given, security_invoker for drizzle-kit', () => {
    expect(Object.keys(getViewConfig(tenantView('v', { id: integer('id') })).selectedFields)).toEqual(['tenantId', 'id']);
    const made = getViewConfig(tenantView('v').as((qb) => qb.select().from(parents)));
    expect(made.with).toEqual({ securityInvoker: true });
    expect(made.isExisting).toBe(false);
  });

  it('are refused without tenant_id, with keys, and with an encrypted column whose home is unknown', () => {
    expect(() => tenantView('v').as((qb) => qb.select({ id: parents.id }).from(parents) as never)).toThrow(/no field tenantId/);
    expect(() => tenantView('v').as((qb) => qb.select({ tenantId: parents.code }).from(parents))).toThrow(/no field tenantId/);
    expect(() => tenantView('v', { tenantId: text('tenant_id') } as never)).toThrow(ConfigurationError);
    expect(() => tenantView('v', { id: integer('id').primaryKey() })).toThrow(ConfigurationError);
    expect(() => tenantView('v', { secret: encryptedText('secret') })).toThrow(/give the view’s query/);
  });
});
