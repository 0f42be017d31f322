import { inspect } from 'node:util';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { PolicyViolationError, QueryFailedError } from '../../../src/errors.ts';
import { migrationFailure } from '../../../src/migrate/migration-failure.ts';
import type { MigrationTarget } from '../../../src/migrate/migration-target.ts';

const target: MigrationTarget = {
  key: 'tenant-100',
  clusterId: 'us',
  database: 'shared',
  schema: 'tenant_100',
  isolation: 'schema',
  tenantId: 'tenant-100',
  ownerUrl: 'postgres://owner:hunter2@localhost/shared',
  contextToken: () => 'token',
};

function databaseError(code: string, message: string): Error {
  return Object.assign(new pg.DatabaseError(message, 0, 'error'), {
    code,
    severity: 'ERROR',
    table: 'cards',
    constraint: 'cards_key',
    detail: 'Key (number)=(4111 1111) already exists.',
    where: 'SQL statement "4111 1111"',
    internalQuery: '4111 1111',
  });
}

describe('migrationFailure', () => {
  it.each([
    ['23505', 'duplicate key value violates unique constraint "cards_key"', 'cards_key'],
    ['22P02', 'invalid input syntax for type integer: "4111 1111"', 'whose message may quote it'],
    ['P0001', 'card 4111 1111 is stolen', 'whose message may quote it'],
    ['42P01', 'relation "cards" does not exist', 'relation "cards" does not exist'],
  ])('%s: says what happened, and no value', (code, message, expected) => {
    const error = migrationFailure(databaseError(code, message), target, '0002_cards');
    expect(error.message).toContain(`"0002_cards" of tenant-100 failed with ${code}`);
    expect(error.message).toContain(expected);
    expect(error.cause).toBeInstanceOf(QueryFailedError);
    expect(error).toMatchObject({
      tenantId: 'tenant-100',
      migration: '0002_cards',
      cause: { sqlState: code, failure: { table: 'cards', constraint: 'cards_key' } },
    });
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/4111|hunter2/);
  });

  it('says what stays, and what may be tried again', () => {
    const error = migrationFailure(databaseError('55P03', 'canceling statement due to lock timeout'), target, '0003_c', ['0002_b']);
    expect(error.retryable).toBe(true);
    expect(error.message).toContain('What had been committed before stays: 0002_b.');
    expect(migrationFailure(databaseError('42501', 'permission denied'), target, 'a').cause).toBeInstanceOf(PolicyViolationError);
    expect(migrationFailure(databaseError('42501', 'permission denied'), target, 'a').retryable).toBe(false);
  });

  it('passes on what a migration threw by itself', () => {
    expect(migrationFailure(new TypeError('x is not a function'), target, 'a').message).toBe(
      'The migration "a" of tenant-100 failed: x is not a function.',
    );
    expect(migrationFailure('text', target, 'a').message).not.toContain('text');
  });
});
