import { inspect } from 'node:util';
import postgres from 'postgres';
import { describe, expect, test } from 'vitest';
import { isServerError, queryError, statementError } from '../../../src/connection/driver-error.ts';
import type { ServerError } from '../../../src/connection/wire.ts';
import { AbortedError, PolicyViolationError, QueryFailedError } from '../../../src/errors.ts';

function serverError(fields: Record<string, unknown>): ServerError {
  const error = new (postgres as unknown as { PostgresError: new (fields: object) => Error }).PostgresError({
    severity: 'ERROR',
    ...fields,
  });
  Object.defineProperties(error, { query: { value: 'select secret' }, parameters: { value: ['secret'] }, args: { value: ['secret'] } });
  return error as unknown as ServerError;
}

describe('queryError', () => {
  test('is made of names only: nothing of the server’s message, detail or context, nothing of the driver’s query', () => {
    const error = queryError(
      serverError({
        code: '23505',
        message: 'duplicate key … secret',
        detail: 'Key (iban)=(secret) already exists.',
        where: 'secret',
        hint: 'secret',
        internal_query: 'secret',
        schema_name: 'app',
        table_name: 'products',
        constraint_name: 'products_iban_key',
        routine: '_bt_check_unique',
      }),
      'a',
    );
    expect(error).toBeInstanceOf(QueryFailedError);
    expect(error.message).toBe(
      'A statement of tenant a failed: unique violation of constraint "products_iban_key" of table "products" (23505).',
    );
    expect(error.failure).toMatchObject({ schema: 'app', table: 'products', constraint: 'products_iban_key', routine: '_bt_check_unique' });
    expect(error.cause).toBeUndefined();
    expect(inspect(error, { showHidden: true, depth: 9 })).not.toMatch(/secret/);
  });

  test('leaves out what RAISE put where names belong', () => {
    const error = queryError(
      serverError({ code: 'P0001', message: 'secret', constraint_name: 'DE89 3704', table_name: 'x'.repeat(70), column_name: "it's" }),
      'a',
    );
    expect(error.failure).toMatchObject({ constraint: undefined, table: undefined, column: undefined });
    expect(error.message).toBe('A statement of tenant a failed: raise exception (P0001).');
  });

  test.each([
    'tenancy: context refused (signature)',
    'tenancy: tenant a-1 may not use rows of tenant b',
    'permission denied for table products',
    'permission denied for schema app',
    'permission denied for function pg_read_file',
    'new row violates row-level security policy for table "products"',
    'new row violates row-level security policy "tenancy_tenant_restrictive" for table "products"',
    'must be owner of table products',
    'query would be affected by row-level security policy for table "products"',
    'permission denied to set parameter "log_statement"',
  ])('keeps the known refusal %j', (message) => {
    const error = queryError(serverError({ code: '42501', message }), 'a');
    expect(error).toBeInstanceOf(PolicyViolationError);
    expect(error.message).toContain(message);
  });

  test.each([
    'tenancy: secret 4111',
    'tenancy: context refused (secret)',
    'secret',
    'permission denied for table a\nsecret',
    'tenancy: tenant a may not use rows of tenant DE89 370',
  ])('drops the unknown refusal %j', (message) => {
    const error = queryError(serverError({ code: '42501', message }), 'a');
    expect(error).toBeInstanceOf(PolicyViolationError);
    expect(error.message).toBe('A statement of tenant a was refused by PostgreSQL: insufficient privilege (42501).');
  });

  test('says what may be tried again', () => {
    expect(queryError(serverError({ code: '40001', message: '' }), 'a').retryable).toBe(true);
    expect(queryError(serverError({ code: '40P01', message: '' }), 'a').retryable).toBe(true);
    expect(queryError(serverError({ code: '23505', message: '' }), 'a').retryable).toBe(false);
  });

  test('is AbortedError only for who aborted', () => {
    expect(statementError(serverError({ code: '57014', message: '' }), 'a', true)).toBeInstanceOf(AbortedError);
    expect(statementError(serverError({ code: '57014', message: '' }), 'a', false)).toBeInstanceOf(QueryFailedError);
    expect(statementError(serverError({ code: '23505', message: '' }), 'a', true)).toBeInstanceOf(QueryFailedError);
  });

  test('tells PostgreSQL’s errors from the driver’s', () => {
    expect(isServerError(serverError({ code: '42501', message: '' }))).toBe(true);
    expect(isServerError(Object.assign(new Error('x'), { code: 'CONNECTION_CLOSED' }))).toBe(false);
    expect(isServerError(new SyntaxError('x'))).toBe(false);
  });
});
