import { appendFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * A vitest reporter for CI. With TENANCY_FORBID_SKIPS=1 a run in which a test was skipped has failed: a check that did not run proves
 * nothing. With TENANCY_TALLY=FILE it appends the counts of the run to that file, as one JSON document per line. vitest takes a reporter from its file's default export.
 */
export default class ForbidSkips implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    const skipped: string[] = [];
    for (const module of modules) {
      // A file that did not load has no tests, and would be missing from the count.
      if (module.state() === 'failed' && [...module.children.allTests()].length === 0) counts.failed += 1;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed' || state === 'failed') counts[state] += 1;
        else {
          counts.skipped += 1;
          skipped.push(`${module.relativeModuleId} > ${test.fullName}`);
        }
      }
    }
    const tally = process.env['TENANCY_TALLY'];
    if (tally !== undefined) appendFileSync(tally, `${JSON.stringify(counts)}\n`);
    if (process.env['TENANCY_FORBID_SKIPS'] !== '1') return;
    for (const name of skipped) console.error(`skipped, which this run forbids: ${name}`);
    if (skipped.length > 0) process.exitCode = 1;
  }
}
