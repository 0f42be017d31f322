import type { Result } from './result.ts';

/** The results as a table for people, one block for each case and number of callers. */
export function report(results: readonly Result[]): string {
  const lines: string[] = [];
  let block = '';
  for (const { case: what, callers, subject, opsPerSecond, p50Ms, p99Ms } of results) {
    const title = `${what}, ${callers} ${callers === 1 ? 'caller' : 'callers'}`;
    if (title !== block) lines.push('', `${title.padEnd(30)}${'ops/s'.padStart(9)}${'p50 ms'.padStart(10)}${'p99 ms'.padStart(10)}`);
    block = title;
    lines.push(
      `  ${subject.padEnd(28)}${String(opsPerSecond).padStart(9)}${p50Ms.toFixed(3).padStart(10)}${p99Ms.toFixed(3).padStart(10)}`,
    );
  }
  return `${lines.join('\n').trimStart()}\n`;
}
