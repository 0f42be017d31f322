import { expect, test } from 'vitest';
import { type LoginFacts, loginFactsQuery, loginRefusal } from '../../../src/verify/login-facts.ts';

const harmless: LoginFacts = {
  login: 'app',
  superuser: null,
  bypass: null,
  creator: null,
  replication: null,
  predefined: null,
  owned: null,
  creates: null,
  temporary: null,
};

test('a login that is and may nothing is not refused', () => {
  expect(loginRefusal(harmless)).toBeUndefined();
});

test.each([
  [{ superuser: 'app' }, 'is a superuser'],
  [{ superuser: 'boss' }, 'is a superuser, through its membership of "boss"'],
  [{ bypass: 'b' }, 'has BYPASSRLS, through its membership of "b"'],
  [{ creator: 'app' }, 'has CREATEROLE'],
  [{ replication: 'app' }, 'has REPLICATION'],
  [{ owned: 'the database' }, 'owns the database'],
  [{ predefined: 'pg_read_all_data' }, 'is a member of "pg_read_all_data"'],
  [{ creates: 'the schema "s"' }, 'may create objects in the schema "s"'],
  [{ temporary: 'app' }, 'may make temporary tables'],
])('%j', (facts, reason) => {
  expect(loginRefusal({ ...harmless, ...facts })).toBe(reason);
});

test('what is worst is said first', () => {
  expect(loginRefusal({ ...harmless, superuser: 'app', temporary: 'app', owned: 'the database' })).toBe('is a superuser');
});

test('everything in the query is qualified: it runs before anybody has set a search_path', () => {
  const calls = [...loginFactsQuery('session_user').matchAll(/([a-z_.]+)\(/g)]
    .map((match) => match[1]!)
    .filter((name) => name.includes('_') && name !== 'pg_');
  expect(calls.length).toBeGreaterThan(3);
  expect(calls.filter((name) => !name.startsWith('pg_catalog.'))).toEqual([]);
});
