import { describe, expect, test } from 'vitest';
import { checkCommand, isRefusedTag } from '../../../src/connection/command-check.ts';
import { NotSupportedError } from '../../../src/errors.ts';

describe('checkCommand', () => {
  test.each([
    'select 1',
    ' WITH a as (select 1) select * from a',
    '-- commit\nselect 1',
    '/* commit */ update t set a = 1',
    "select 'commit'",
    'table products',
    '(select 1) union (select 2)',
    'explained',
    'set local work_mem = 1',
    'do $$ begin end $$',
    'commitment',
    'locked',
    'select merge, into_it from t',
    'select merged into_x',
    'update t set merge = 1',
    'alternative',
    '',
  ])('lets %j through', (text) => {
    expect(() => checkCommand(text, 'a')).not.toThrow();
  });

  test.each([
    'commit',
    'COMMIT AND CHAIN',
    '\n\t commit',
    ';;commit',
    '--x\ncommit',
    '--x\rcommit',
    '/**/commit',
    '/*/* */*/commit',
    '/* -- */ rollback',
    'end',
    'abort',
    'BEGIN',
    'start transaction',
    'savepoint a',
    'release a',
    'rollback to a',
    "prepare transaction 'x'",
    'prepare a as select 1',
    'execute a',
    'deallocate all',
    'copy t from stdin',
    'copy (select 1) to stdout',
    "alter role current_user password 'x'",
    '/**/ALTER role x set work_mem = 1',
    'drop owned by current_user',
    'grant a to b',
    'revoke a from b',
    'reassign owned by a to b',
    'lock table t',
    'explain select 1',
    '/**/EXPLAIN (analyze) select 1',
    'merge into t using v on true when matched then delete',
    'with v as (select 1)MERGE\n INTO t using v on true when matched then delete',
    'explain analyze merge/* into */into t using v on true when matched then delete',
    'merge--\ninto t using v on true when matched then delete',
    'select 1\0',
  ])('refuses %j', (text) => {
    expect(() => checkCommand(text, 'a')).toThrow(NotSupportedError);
  });

  test('is quick on hostile text', () => {
    const started = performance.now();
    checkCommand(`${'/*'.repeat(100_000)}`, 'a');
    checkCommand(`${' ;'.repeat(100_000)}x`, 'a');
    checkCommand(`select ${'merge '.repeat(50_000)}`, 'a');
    checkCommand(`select merge${' '.repeat(200_000)}`, 'a');
    checkCommand(' '.repeat(200_000), 'a');
    expect(performance.now() - started).toBeLessThan(1_000);
  });

  test('knows the tags of what got past it', () => {
    for (const tag of ['COMMIT', 'ROLLBACK', 'BEGIN', 'PREPARE TRANSACTION', 'DEALLOCATE ALL', 'COPY'])
      expect(isRefusedTag(tag)).toBe(true);
    for (const tag of ['SELECT', 'INSERT', 'DO', 'SET', 'LISTEN', '']) expect(isRefusedTag(tag)).toBe(false);
  });
});
