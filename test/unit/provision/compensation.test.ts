import { expect, test } from 'vitest';
import { Compensation } from '../../../src/provision/compensation.ts';

test('undoes the newest step first, once, and goes on past a failing one', async () => {
  const compensation = new Compensation();
  const undone: string[] = [];
  compensation.add('database', async () => {
    undone.push('database');
  });
  compensation.add('grants', async () => {
    throw new Error('gone');
  });
  compensation.add('schema', async () => {
    undone.push('schema');
  });
  const left = await compensation.run();
  expect(undone).toEqual(['schema', 'database']);
  expect(left.map(({ step }) => step)).toEqual(['grants']);
  expect(await compensation.run()).toEqual([]);
});
