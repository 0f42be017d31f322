import type { AttemptResult } from './attempt.ts';
import { table } from './table.ts';

/** One line for each attempt: what it met, and its entry as the audit log has it. */
export function attemptsTable(results: readonly AttemptResult[]): string {
  return table(
    results.map(({ name, verdict, met, entry }) => ({
      attempt: name,
      verdict,
      'audit entry': entry === undefined ? '-' : `${entry.id} ${entry.action}`,
      met,
    })),
  );
}
