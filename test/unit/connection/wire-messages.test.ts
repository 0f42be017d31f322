import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CopyBuffer } from '../../../src/connection/copy-buffer.ts';
import { checkCopy } from '../../../src/connection/copy-check.ts';
import { MessageWriter } from '../../../src/connection/message-writer.ts';
import { PreparedStatements } from '../../../src/connection/prepared-statements.ts';
import { laneParsers } from '../../../src/connection/raw-types.ts';
import { RowDecoder } from '../../../src/connection/row-decoder.ts';
import { readError, readTag } from '../../../src/connection/server-message.ts';
import { NotSupportedError } from '../../../src/errors.ts';

function dataRow(values: readonly (string | null)[]): Buffer {
  const writer = new MessageWriter();
  writer.int16(values.length);
  for (const value of values) {
    if (value === null) writer.int32(-1);
    else writer.sized(value);
  }
  return Buffer.from(writer.taken());
}

describe('MessageWriter', () => {
  test('writes text of every length and alphabet as UTF-8 behind its length', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 120 }), { maxLength: 20 }), fc.boolean(), (texts, reuse) => {
        const writer = new MessageWriter();
        writer.cString('before');
        writer.reset(reuse);
        for (const text of texts) {
          writer.begin(0x51);
          writer.sized(text);
          writer.end();
        }
        const expected = texts.map((text) => {
          const body = Buffer.from(text);
          const head = Buffer.alloc(9, 0x51);
          head.writeUInt32BE(body.length + 8, 1);
          head.writeUInt32BE(body.length, 5);
          return Buffer.concat([head, body]);
        });
        expect(writer.taken().equals(Buffer.concat(expected))).toBe(true);
      }),
    );
  });

  test('leaves what was taken alone when it must not be reused', () => {
    const writer = new MessageWriter();
    writer.cString('mine');
    const taken = writer.taken();
    writer.reset(false);
    writer.cString('next');
    expect(taken.toString()).toBe('mine\0');
  });
});

describe('RowDecoder', () => {
  test('reads every type as the parsers of raw-types do', () => {
    const samples: Record<number, string[]> = {
      16: ['t', 'f'],
      20: ['-9223372036854775808'],
      21: ['-32768', '0'],
      23: ['2147483647', '-2147483648'],
      25: ['', 'é€😀', 'plain'],
      26: ['4294967295'],
      17: ['\\x00ff'],
      701: ['1e-7', 'NaN', '-Infinity'],
      1700: ['-0.00100'],
      3802: ['{"a": "ü"}'],
      1007: ['{1,NULL}'],
      2950: ['8b7e2b60-6c7e-4a8f-9d0e-2f6f4f1b6a11'],
    };
    const parsers = laneParsers();
    for (const [type, texts] of Object.entries(samples)) {
      const decoder = new RowDecoder([{ name: 'a', type: Number(type) }]);
      for (const text of texts) {
        const bytes = dataRow([text]);
        expect(decoder.row(bytes, 0, bytes.length)).toEqual([parsers[Number(type)]?.(text) ?? text]);
      }
      const none = dataRow([null]);
      expect(decoder.row(none, 0, none.length)).toEqual([null]);
    }
  });

  test('reads nothing that isn’t a row of its columns', () => {
    const decoder = new RowDecoder([
      { name: 'a', type: 25 },
      { name: 'b', type: 23 },
    ]);
    const whole = dataRow(['x', '1']);
    expect(decoder.row(whole, 0, whole.length)).toEqual(['x', 1]);
    for (let end = 2; end < whole.length; end++) expect(decoder.row(whole, 0, end)).toBeUndefined();
    for (const other of [dataRow(['x']), dataRow(['x', '1', '2']), Buffer.concat([whole, Buffer.alloc(1)])])
      expect(decoder.row(other, 0, other.length)).toBeUndefined();
  });
});

describe('server messages', () => {
  test.each([
    ['SELECT 20', 'SELECT', 20],
    ['INSERT 0 3', 'INSERT', 3],
    ['UPDATE 0', 'UPDATE', 0],
    ['CREATE TABLE', 'CREATE TABLE', 0],
    ['COPY 12', 'COPY', 12],
    ['BEGIN', 'BEGIN', 0],
    ['COMMIT', 'COMMIT', 0],
    ['', '', 0],
  ])('reads the tag %j', (tag, command, count) => {
    const bytes = Buffer.from(`xx${tag}\0`);
    expect(readTag(bytes, 2, bytes.length)).toEqual({ command, count });
  });

  test('reads an error’s fields, and nothing that could hold a value', () => {
    const bytes = Buffer.from('SFEHLER\0VERROR\0C23505\0Mmessage\0DKey (iban)=(DE89)\0Hhint\0Wwhere\0tproducts\0nkey\0Rroutine\0\0');
    expect(readError(bytes, 0, bytes.length)).toEqual({
      severity: 'ERROR',
      code: '23505',
      message: 'message',
      table_name: 'products',
      constraint_name: 'key',
      routine: 'routine',
    });
    for (const broken of ['', 'VERROR\0\0', 'C2350\0\0', 'C23505']) {
      const cut = Buffer.from(broken);
      expect(readError(cut, 0, cut.length)).toBeUndefined();
    }
  });
});

describe('PreparedStatements', () => {
  test('tells texts and types of parameters apart, and never uses a name twice', () => {
    const statements = new PreparedStatements(10);
    const plain = statements.use('select $1', ['a']);
    expect(statements.use('select $1', [null])).toBe(plain);
    expect(statements.use('select $1', [{ text: 't', oid: 16 }])).not.toBe(plain);
    expect(statements.use('select $1', [{ text: 't', oid: 17 }])).not.toBe(statements.use('select $1', [{ text: 't', oid: 16 }]));
    statements.giveUp(plain);
    expect(statements.use('select $1', ['a']).name).not.toBe(plain.name);
    expect(statements.abandoned()).toEqual([plain.name]);
    expect(statements.abandoned()).toEqual([]);
  });

  test('gives up the one used longest ago', () => {
    const statements = new PreparedStatements(4);
    const [a, b] = ['a', 'b', 'c', 'd'].map((text) => statements.use(text, []));
    statements.use('a', []);
    statements.use('e', []);
    expect(statements.abandoned()).toEqual([b!.name]);
    expect(statements.use('a', [])).toBe(a);
    expect(statements.size).toBe(4);
  });
});

describe('CopyBuffer', () => {
  test('pauses its source while there is enough, and lets it go on when it was read or discarded', async () => {
    const calls: string[] = [];
    const buffer = new CopyBuffer({ pause: () => calls.push('pause'), resume: () => calls.push('resume') });
    const first = buffer.next();
    buffer.push(Buffer.from('a'));
    expect(Buffer.from((await first)!).toString()).toBe('a');
    buffer.push(Buffer.alloc(200_000));
    buffer.push(Buffer.alloc(10));
    expect(calls).toEqual(['pause']);
    expect(await buffer.next()).toHaveLength(200_010);
    expect(calls).toEqual(['pause', 'resume']);
    const waiting = buffer.next();
    buffer.discard();
    buffer.push(Buffer.alloc(400_000));
    expect(await waiting).toBeUndefined();
    expect(calls).toHaveLength(2);
  });
});

describe('checkCopy', () => {
  test.each([
    'copy t to stdout',
    ' /* a */ COPY t (a, b) TO STDOUT WITH (FORMAT csv)',
    "copy (select 'x from y' from t where a = E'\\'' and b = $q$ from $q$) to stdout",
    'copy "from" to stdout csv',
  ])('lets %j through', (text) => {
    expect(() => checkCopy(text, 'a')).not.toThrow();
  });

  test.each([
    '',
    'copy',
    'copy t',
    'select 1',
    'copy t from stdin',
    'copy t to program $$stdout$$',
    'copy (merge into t using s on true) to stdout',
  ])('refuses %j', (text) => {
    expect(() => checkCopy(text, 'a')).toThrow(NotSupportedError);
  });
});
