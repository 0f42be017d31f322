import { describe, expect, it } from 'vitest';
import { MigrationError } from '../../../src/errors.ts';
import { pendingMigrations } from '../../../src/migrate/migration-plan.ts';
import type { MigrationSource } from '../../../src/migrate/migration-source.ts';
import { migrationStatus } from '../../../src/migrate/migration-status.ts';

const source: MigrationSource = {
  directory: 'migrations',
  format: 'node-pg-migrate',
  migrations: ['1_a', '2_b', '3_c'].map((name) => ({
    name,
    checksum: `sum-${name}`,
    kind: 'sql',
    file: `${name}.sql`,
    actions: { up: () => {} },
  })),
};
const target = { key: 'tenant-100', tenantId: 'tenant-100' };
const applied = (...names: string[]): { migration: string; checksum: string }[] =>
  names.map((name) => ({ migration: name, checksum: `sum-${name}` }));
const pending = (...names: string[]): string[] => pendingMigrations(source, applied(...names), target).map(({ name }) => name);

describe('pendingMigrations', () => {
  it('is what the ledger lacks, in order', () => {
    expect(pending()).toEqual(['1_a', '2_b', '3_c']);
    expect(pending('2_b', '1_a')).toEqual(['3_c']);
    expect(pending('1_a', '2_b', '3_c')).toEqual([]);
  });

  it('refuses a gap, naming both sides', () => {
    expect(() => pending('1_a', '3_c')).toThrow(/"2_b" was not applied to tenant-100, but "3_c" behind it was/);
  });

  it('refuses a migration that is applied and unknown here', () => {
    expect(() => pending('1_a', '9_z')).toThrow(/"9_z" was applied to tenant-100, but is not in migrations/);
  });

  it('refuses a changed file; a name without a checksum can only be compared by name', () => {
    const changed = [{ migration: '1_a', checksum: 'other' }];
    expect(() => pendingMigrations(source, changed, target)).toThrow(MigrationError);
    expect(() => pendingMigrations(source, changed, target)).toThrow(/"1_a" was changed after/);
    expect(pendingMigrations(source, [{ migration: '1_a', checksum: undefined }], target)).toHaveLength(2);
  });
});

describe('migrationStatus', () => {
  it('reports version and what is pending per target, from the ledger alone', () => {
    const targets = [target, { key: 'us/pool', tenantId: undefined }, { key: 'tenant-9', tenantId: 'tenant-9' }];
    const ledger = new Map([
      ['tenant-100', applied('1_a', '2_b')],
      ['us/pool', applied('1_a', '2_b', '3_c')],
    ]);
    expect(migrationStatus(targets, source, ledger)).toEqual([
      { target: 'tenant-100', version: '2_b', pending: ['3_c'] },
      { target: 'us/pool', version: '3_c', pending: [] },
      { target: 'tenant-9', version: undefined, pending: ['1_a', '2_b', '3_c'] },
    ]);
  });
});
