import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../../src/errors.ts';
import { newTableGuard, policiesFor, referencePoliciesFor } from '../../../src/rls/policy.ts';
import { expectedPolicies, samePolicy } from '../../../src/rls/policy-shape.ts';
import { packageRoot } from '../../../src/sql/package-root.ts';

const roles = { ownerRole: 'o', appRole: 'a' };
const own = { ...roles, schema: 's', table: 't', isolation: 'schema', tenantId: 'acme', serverMajor: 18 } as const;
const pool = { ...roles, schema: 's', table: 't', isolation: 'row', serverMajor: 18 } as const;
const statements = (sql: readonly string[]): string => sql.join('\n').replace(/^--.*\n/gm, '');

describe('every template', () => {
  const directory = join(packageRoot(), 'rls-policies');
  test.each(readdirSync(directory))('%s begins with the threat that it answers', (name) => {
    expect(readFileSync(join(directory, name), 'utf8')).toMatch(/^-- Threat: [a-z0-9]/i);
  });

  test('that replaces a policy or trigger drops it first, so that running again is safe', () => {
    const all = [
      policiesFor(own),
      policiesFor({ ...own, serverMajor: 15 }),
      policiesFor(pool),
      referencePoliciesFor({ ...roles, schema: 's', table: 't' }),
    ]
      .map(statements)
      .join('\n');
    const names = (verb: string): string[] => [...all.matchAll(new RegExp(`${verb} (tenancy_\\w+)`, 'g'))].map((match) => match[1]!).sort();
    expect(names('create (?:policy|trigger)')).toEqual(names('drop (?:policy|trigger) if exists'));
    expect(names('create (?:policy|trigger)').length).toBeGreaterThan(10);
  });

  test('is used', () => {
    const used = [
      policiesFor(own),
      policiesFor({ ...own, serverMajor: 15 }),
      policiesFor(pool),
      referencePoliciesFor({ ...roles, schema: 's', table: 't' }),
      newTableGuard(roles),
    ]
      .flat()
      .map((sql) => sql.split('\n')[0]);
    for (const name of readdirSync(directory)) expect(used, name).toContain(readFileSync(join(directory, name), 'utf8').split('\n')[0]);
  });
});

describe('policiesFor', () => {
  test('forces row-level security first and ends with the trigger', () => {
    const sql = policiesFor(pool);
    expect(sql[0]).toContain('force row level security');
    expect(sql.at(-1)).toContain('create trigger tenancy_tenant_immutable');
    expect(statements(policiesFor({ ...pool, partition: true }))).not.toContain('create trigger');
  });

  test('is loud from 18 on only, and quotes whatever the names are', () => {
    expect(statements(policiesFor(own))).toContain(`(select tenancy.require_tenant('acme')) = 'acme'`);
    expect(statements(policiesFor({ ...own, serverMajor: 17 }))).not.toContain('require_tenant');
    expect(statements(policiesFor({ ...own, schema: 'a"b', table: 'c;d', tenantId: "x'y" }))).toContain(`"a""b"."c;d"`);
    expect(statements(policiesFor({ ...own, tenantId: "x'y" }))).toContain(`'x''y'`);
  });

  test('the permissive and the restrictive predicate are the same, word for word', () => {
    for (const table of [own, { ...own, serverMajor: 14 }, pool]) {
      const predicates = [
        ...statements(policiesFor(table)).matchAll(/create policy tenancy_tenant(?:_restrictive)? [\s\S]*?(using [^;]*);/g),
      ].map((match) => match[1]);
      expect(predicates).toHaveLength(2);
      expect(predicates[0]).toBe(predicates[1]);
    }
  });

  test('knows whose a schema is', () => {
    expect(() => policiesFor({ ...own, tenantId: undefined })).toThrow(ConfigurationError);
    expect(() => policiesFor({ ...pool, tenantId: 'acme' })).toThrow(ConfigurationError);
  });
});

test('policies are compared by all that they are, spaces apart', () => {
  const [first] = expectedPolicies(own);
  expect(samePolicy(first!, { ...first!, using: first!.using!.replace(' AND ', '\n  AND ') })).toBe(true);
  for (const change of [
    { name: 'x' },
    { permissive: false },
    { command: 'SELECT' },
    { roles: ['a'] },
    { using: 'true' },
    { check: null },
  ]) {
    expect(samePolicy(first!, { ...first!, ...change })).toBe(false);
  }
});
