import { expect, test } from 'vitest';
import { printable, renderTable } from '../../../src/cli/table.ts';

test('columns are aligned, numbers to the right, colours outside the padding', () => {
  const rows = [
    { name: 'a', n: 5 },
    { name: 'längster', n: 1234 },
    { name: undefined, n: 0 },
  ];
  expect(
    renderTable(rows, [
      { title: 'NAME', value: ({ name }) => name, paint: ({ n }) => (n === 5 ? (text) => `<${text}>` : undefined) },
      { title: 'N', value: ({ n }) => n, align: 'right' },
    ]),
  ).toBe('NAME         N\n<a       >     5\nlängster  1234\n-            0\n');
});

test('nothing that a terminal would obey is left', () => {
  expect(printable('ok\u001b]0;x\u0007\r\n\u009b1m\u202e\u200b\ud800 ü€')).toBe(
    'ok\\u{1b}]0;x\\u{7}\\u{d}\\u{a}\\u{9b}1m\\u{202e}\\u{200b}\\u{d800} ü€',
  );
});
