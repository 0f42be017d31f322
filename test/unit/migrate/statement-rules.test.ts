import { describe, expect, it } from 'vitest';
import { sqlStatements } from '../../../src/migrate/sql-statements.ts';
import { statementRules } from '../../../src/migrate/statement-rules.ts';

const texts = (sql: string): string[] => sqlStatements(sql).map(({ text }) => text);

describe('sqlStatements', () => {
  it('splits at semicolons that end statements only', () => {
    expect(texts(`a 'x;y'; b $$ ; $$ ; -- c;\n ; create rule r as on insert to t do (d; e); "f;g"`)).toEqual([
      `a 'x;y'`,
      'b $$ ; $$',
      'create rule r as on insert to t do (d; e)',
      '"f;g"',
    ]);
  });

  it('keeps a function body written BEGIN ATOMIC … END whole', () => {
    const body = 'create function f() returns int language sql begin atomic select case when true then 1 end; select 2; end';
    expect(texts(`${body}; select 3`)).toEqual([body, 'select 3']);
  });
});

describe('statementRules', () => {
  it.each([
    'create index concurrently a on b (c)',
    'CREATE UNIQUE INDEX CONCURRENTLY a ON b (c)',
    'select 1; drop index concurrently a',
    'vacuum full t',
    'reindex table concurrently t',
    'alter table p detach partition q concurrently',
    'create database x',
    'alter system set a = 1',
  ])('%s needs to be outside a transaction', (sql) => expect(statementRules(sql).needsNoTransaction).toBe(true));

  it.each([
    `insert into t values ('create index concurrently a on b (c)')`,
    '-- create index concurrently a on b (c)\nselect 1',
    'create table concurrently (a int)',
    'refresh materialized view concurrently v',
    'create index a on "concurrently" (c)',
    'drop table t',
  ])('%s does not', (sql) => expect(statementRules(sql).needsNoTransaction).toBe(false));

  it.each<[string, string]>([
    ['select 1; commit', 'commit'],
    ['BEGIN; select 1', 'BEGIN'],
    ['rollback', 'rollback'],
    ['end', 'end'],
    ['start transaction read only', 'start transaction'],
    ['abort', 'abort'],
    [`prepare transaction 'x'`, 'prepare transaction'],
    ['rollback and chain', 'rollback and'],
  ])('%s controls the transaction', (sql, expected) => expect(statementRules(sql).transactionControl).toBe(expected));

  it.each([
    'savepoint a',
    'rollback to savepoint a',
    'do $$ begin perform 1; end $$',
    `comment on table t is 'commit'`,
    'create table "begin" (a int)',
    'prepare p as select 1',
  ])('%s does not', (sql) => {
    expect(statementRules(sql).transactionControl).toBeUndefined();
  });

  it('knows a new enum value', () => {
    expect(statementRules(`ALTER TYPE "status" ADD VALUE 'x' BEFORE 'y'`).addsEnumValue).toBe(true);
    expect(statementRules(`alter type status rename value 'x' to 'y'`).addsEnumValue).toBe(false);
  });
});
