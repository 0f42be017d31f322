import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './scripts/longest-first.ts';

const src = (path: string): string => fileURLToPath(new URL(`src/${path}`, import.meta.url));
const inCi = process.env['TENANCY_FORBID_SKIPS'] !== undefined || process.env['TENANCY_TALLY'] !== undefined;

export default defineConfig({
  resolve: {
    // Examples import the package by its name; in tests that is the source.
    alias: [
      { find: /^@godseye\/tenancy$/, replacement: src('index.ts') },
      { find: /^@godseye\/tenancy\/testing$/, replacement: src('testing/index.ts') },
      { find: /^@godseye\/tenancy\/(.+)$/, replacement: `${src('')}$1.ts` },
    ],
  },
  test: {
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: inCi ? ['default', './scripts/forbid-skips.ts'] : ['default'],
    projects: [
      { extends: true, test: { name: 'unit', include: ['test/unit/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/{integration,attacks,contract,oracle}/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'types',
          include: [],
          typecheck: { enabled: true, only: true, include: ['test/types/**/*.test-d.ts'], tsconfig: 'test/types/tsconfig.json' },
        },
      },
    ],
  },
});
