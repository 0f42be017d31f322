import { expect, test } from 'vitest';
import { abortOnSignals } from '../../../src/cli/abort-on-signals.ts';

test('the first signal aborts, the second one ends the process at once', () => {
  const listeners = new Map<string, () => void>();
  const exits: number[] = [];
  let noted = 0;
  const signal = abortOnSignals(
    {
      on: (name, listener) => listeners.set(name, listener),
      exit: (code) => {
        exits.push(code);
      },
    },
    () => {
      noted += 1;
    },
  );
  expect(signal.aborted).toBe(false);
  listeners.get('SIGTERM')!();
  expect([signal.aborted, noted, exits]).toEqual([true, 1, []]);
  listeners.get('SIGINT')!();
  listeners.get('SIGTERM')!();
  expect([noted, exits]).toEqual([1, [130, 143]]);
});
