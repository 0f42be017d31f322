import { execFile } from 'node:child_process';
import { inspect, promisify } from 'node:util';
import { type Column, sql } from 'drizzle-orm';
import { alias, type PgTable, type SelectedFieldsOrdered } from 'drizzle-orm/pg-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeysNeeded, withDecryptionKeys } from '../../../src/database/decryption.ts';
import { columnsOf, mapResultRow } from '../../../src/database/drizzle-internals.ts';
import { rowSource } from '../../../src/database/row-code.ts';
import { rowLayout } from '../../../src/database/row-layout.ts';
import { RowMapper } from '../../../src/database/row-mapper.ts';
import { archive, orders, products, suppliers } from '../../integration/database/sample-schema.ts';

type Joins = Record<string, boolean> | undefined;

/** Rows enough to have code made. */
function mapped(fields: SelectedFieldsOrdered, joins: Joins, row: readonly unknown[], generate: boolean): unknown {
  const mapper = new RowMapper(fields, joins, { generate });
  const rows = mapper.map(Array(100).fill(row), fields);
  expect(mapper.generated).toBe(generate);
  return rows[99];
}

function outcome(map: () => unknown): string {
  try {
    return inspect(map(), { depth: 9 });
  } catch (error) {
    return `threw ${error}`;
  }
}

const x = alias(orders, 'x');
const columns = [products, orders, archive, suppliers, x].flatMap((table) => Object.values(columnsOf(table as PgTable)) as Column[]);
const decoded = [
  () => sql`1`,
  () => sql`1`.mapWith(Number),
  () => sql`1`.mapWith((value) => (value === 7 ? null : `<${value}>`)),
  () => sql`1`.as('name'),
  () => sql`1`.mapWith(Number).as('name'),
];
const field = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...columns) },
  fc.constantFrom(...decoded).map((make) => make()),
);
const value = fc.oneof(
  fc.constant(null),
  fc.constant(undefined),
  fc.integer(),
  fc.string(),
  fc.constantFrom(7, '2024-01-02', '{a,b}', '{"a":1}'),
);
// Names that Object.prototype has are left to the tests below: with them drizzle writes into the prototype.
const key = fc.string().filter((name) => !(name in {}));
const tree = fc.dictionary(
  key,
  fc.oneof(field, fc.dictionary(key, fc.oneof(field, fc.dictionary(key, field, { noNullPrototype: true })), { noNullPrototype: true })),
  {
    noNullPrototype: true,
  },
);

function flat(fields: object, path: string[] = []): SelectedFieldsOrdered {
  return Object.entries(fields).flatMap(([name, one]) =>
    Object.getPrototypeOf(one) === Object.prototype ? flat(one, [...path, name]) : [{ path: [...path, name], field: one }],
  );
}

describe.each([true, false])('a row mapper, with generated code: %s', (generate) => {
  it('maps any row as drizzle does', () => {
    fc.assert(
      fc.property(
        tree,
        fc.array(value, { minLength: 40, maxLength: 40 }),
        fc.option(fc.record({ products: fc.boolean(), orders: fc.boolean(), archive: fc.boolean(), x: fc.boolean() }), { nil: undefined }),
        (fields, row, joins) => {
          const ordered = flat(fields);
          fc.pre(ordered.length <= row.length);
          expect(outcome(() => mapped(ordered, joins, row, generate))).toBe(outcome(() => mapResultRow(ordered, row, joins)));
        },
      ),
    );
  });

  it('makes a joined object null where its first column is, and only then', () => {
    const fields = flat({ archive: { id: archive.id, sku: archive.sku }, orders: { id: orders.id, owner: orders.owner } });
    const joins = { archive: true, orders: false };
    for (const row of [
      [1, 'a', 2, 'b'],
      [1, 'a', null, 'b'],
      [1, 'a', 2, null],
      [null, 'a', 2, 'b'],
    ]) {
      expect(mapped(fields, joins, row, generate)).toStrictEqual(mapResultRow(fields, row, joins));
    }
    expect(mapped(fields, joins, [1, 'a', null, 'b'], generate)).toStrictEqual({ archive: { id: 1, sku: 'a' }, orders: null });
    const mixed = flat({ both: { id: orders.id, sku: archive.sku }, expression: { n: sql`1` } });
    expect(mapped(mixed, { archive: false, orders: false }, [null, null, null], generate)).toStrictEqual({
      both: { id: null, sku: null },
      expression: { n: null },
    });
  });

  it('takes each query’s own decoders', () => {
    const one = flat({ n: sql`1`.mapWith((value) => `one ${value}`) });
    const two = flat({ n: sql`1`.mapWith((value) => `two ${value}`) });
    const mapper = new RowMapper(one, undefined, { generate });
    for (let i = 0; i < 100; i += 1) {
      expect(mapper.map([[i]], one)).toEqual([{ n: `one ${i}` }]);
      expect(mapper.map([[i]], two)).toEqual([{ n: `two ${i}` }]);
    }
  });

  it('asks for keys when a row holds an encrypted value', () => {
    const fields = flat({ iban: suppliers.iban });
    expect(() => withDecryptionKeys(undefined, () => mapped(fields, undefined, [Buffer.from('x')], generate))).toThrow(KeysNeeded);
    expect(mapped(fields, undefined, [null], generate)).toEqual({ iban: null });
  });

  it('writes into no prototype, whatever a column is called', () => {
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'];
    for (const name of names) {
      // The control: drizzle's own writes where every object looks.
      const leaf = Object.fromEntries([[name, archive.sku]]);
      const nested = Object.fromEntries([[name, { polluted: archive.sku }]]);
      for (const fields of [leaf, nested]) {
        const row = mapped(flat(fields), { archive: false }, ['value'], generate) as object;
        expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
        expect(Object.keys(row)).toEqual([name]);
      }
      expect(Object.getOwnPropertyDescriptor(mapped(flat(nested), undefined, ['value'], generate), name)?.value).toEqual({
        polluted: 'value',
      });
      expect(mapped(flat(nested), { archive: false }, [null], generate)).toStrictEqual(Object.fromEntries([[name, null]]));
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    mapResultRow(flat(Object.fromEntries([['__proto__', { polluted: archive.sku }]])), ['value'], undefined);
    expect(({} as { polluted?: unknown }).polluted).toBe('value');
    delete (Object.prototype as { polluted?: unknown }).polluted;
  });

  it('keeps every key as it is', () => {
    for (const name of [
      '"',
      "'",
      '\\',
      '`',
      '${x}',
      '\n',
      '\r',
      '\u2028',
      '\u2029',
      '\0',
      '*/',
      '//',
      '</script>',
      '\ud800',
      '];throw 1;[',
      '',
    ]) {
      expect(mapped(flat({ [name]: archive.sku, in: { [name]: archive.sku } }), undefined, ['a', 'b'], generate)).toStrictEqual({
        [name]: 'a',
        in: { [name]: 'b' },
      });
    }
  });
});

describe('generated code', () => {
  it('holds numbers and quoted keys, and no other name', () => {
    const name = 'q"; process.exit(1); "';
    const layout = rowLayout(flat({ [name]: alias(archive, name).sku, b: sql`1`.mapWith(Number).as(name), c: products.createdAt }), {
      [name]: false,
    });
    const source = rowSource(layout);
    const keys = [...source.matchAll(/"(?:[^"\\]|\\.)*"/g)].map(([literal]) => JSON.parse(literal));
    expect(keys).toEqual([name, 'b', 'c']);
    expect(source.replaceAll(/"(?:[^"\\]|\\.)*"/g, '')).not.toContain('exit');
  });

  it('is not needed: where the process forbids it, closures map', async () => {
    const script = `
      import { RowMapper } from './src/database/row-mapper.ts';
      import { archive } from './test/integration/database/sample-schema.ts';
      const fields = [{ path: ['sku'], field: archive.sku }];
      const mapper = new RowMapper(fields, undefined);
      console.log(JSON.stringify([mapper.map(Array(100).fill(['a']), fields)[99], mapper.generated]));`;
    const args = ['--disallow-code-generation-from-strings', '--import', 'tsx', '--input-type=module', '--eval', script];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(JSON.parse(stdout)).toEqual([{ sku: 'a' }, false]);
    // The control: this process allows it.
    const fields = flat({ sku: archive.sku });
    const mapper = new RowMapper(fields, undefined);
    expect([mapper.map(Array(100).fill(['a']), fields)[99], mapper.generated]).toEqual([{ sku: 'a' }, true]);
  });
});
