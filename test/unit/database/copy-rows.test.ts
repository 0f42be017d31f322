import { describe, expect, test } from 'vitest';
import type { CopyToOptions } from '../../../src/database/copy-options.ts';
import { CopyRows } from '../../../src/database/copy-rows.ts';

/** Counts the same bytes whole, and cut at every place. */
function counted(bytes: Buffer, options: Pick<CopyToOptions, 'format' | 'header'>): ReadonlySet<number> {
  const counts = new Set<number>();
  for (let cut = 0; cut <= bytes.length; cut++) {
    const rows = new CopyRows(options);
    rows.add(bytes.subarray(0, cut));
    rows.add(bytes.subarray(cut));
    counts.add(rows.count);
  }
  const single = new CopyRows(options);
  for (const byte of bytes) single.add(Buffer.of(byte));
  return counts.add(single.count);
}

function binary(rows: readonly (readonly (string | null)[])[], extension = ''): Buffer {
  const int = (value: number, bytes: 2 | 4): Buffer => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeIntBE(value, 0, bytes);
    return buffer;
  };
  const fields = rows.flatMap((row) => [
    int(row.length, 2),
    ...row.flatMap((value) => (value === null ? [int(-1, 4)] : [int(Buffer.byteLength(value), 4), Buffer.from(value)])),
  ]);
  return Buffer.concat([
    Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'),
    int(0, 4),
    int(extension.length, 4),
    Buffer.from(extension),
    ...fields,
    int(-1, 2),
  ]);
}

describe('the rows of a COPY', () => {
  test.each([
    ['csv', '1,a\n2,"b\nc""d\n"\n3,\n', {}, 3],
    ['csv with a header', 'id,"na\nme"\n1,a\n', { header: true }, 1],
    ['csv without a row', '', { header: true }, 0],
    ['text', '1\ta\\nb\n2\t"\n3\t"\n', { format: 'text' }, 3],
    ['text with a header', 'id\tname\n', { format: 'text', header: true }, 0],
  ] as const)('%s', (_, text, options, expected) => {
    expect(counted(Buffer.from(text), options)).toEqual(new Set([expected]));
  });

  test.each([
    [
      'rows with NULLs, newlines and empty values',
      [
        ['a', null],
        ['\n\n', ''],
        [null, null],
      ],
      '',
      3,
    ],
    ['rows without columns', [[], []], '', 2],
    ['none', [], '', 0],
    ['a header that goes on', [['a']], 'more to come', 1],
  ] as const)('binary: %s', (_, rows, extension, expected) => {
    expect(counted(binary(rows, extension), { format: 'binary' })).toEqual(new Set([expected]));
  });

  test('what is not whole does not count', () => {
    const rows = new CopyRows({});
    rows.add(Buffer.from('1,a\n2,b'));
    expect(rows.count).toBe(1);
  });
});
