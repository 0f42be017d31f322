import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take the better part of a minute and more. */
const long = [
  'quickstart/interrupted',
  'attacks/interleaving.',
  'database/shape-cache-fuzz',
  'oracle/oracle',
  'attacks/kills',
  'keys/key-kills',
  'columns/kills',
  'cli/cli',
  'quickstart/quickstart',
  'testing/interrupted-start',
  'contract/lane-postgres',
  'attacks/keys-in-memory',
];

/** Starts long files first, so that at the end no worker waits for one that began last. Vitest itself begins with the largest. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const at = long.findIndex((part) => moduleId.includes(`/${part}`));
      return at === -1 ? long.length : at;
    };
    const sorted = await super.sort(files);
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}
