import assert from 'node:assert/strict';
import { filterCases, type Operated } from './case.ts';
import { descriptionOf, documentsPerKind, linesPerOrder, orderOf, ownSkuOf, productsPerTenant, skuOf } from './stock.ts';
import type { Subject } from './subject.ts';

type Row = Readonly<Record<string, unknown>>;

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Asks a subject once for everything that it will be measured with, and compares: a subject that errs, or finds nothing, is fast.
 *
 * @throws {assert.AssertionError} naming subject and case
 */
export async function guard(subject: Subject, cases: ReadonlySet<Operated>): Promise<void> {
  const tenantId = subject.tenantIds[0]!;
  // Two turns with the same product and order, so that what the second writes can be told from what the first did.
  for (const [suffix, turn] of [
    ['', 3],
    ['-prepared', 3 + productsPerTenant],
  ] as const) {
    const asked = async (name: Operated, check: (rows: readonly Row[], where: string) => void): Promise<void> => {
      const operation = cases.has(name) ? subject.operations[name] : undefined;
      if (operation !== undefined) check((await operation(tenantId, turn)) as readonly Row[], `${subject.name}, ${name}`);
    };
    const found = async (): Promise<readonly Row[]> => (await subject.find(tenantId, skuOf(turn))) as readonly Row[];

    await asked(`point-select${suffix}`, (rows, where) => expectProduct(rows, tenantId, skuOf(turn), where));
    await asked(`list-join${suffix}`, (rows, where) => expectLines(rows, tenantId, orderOf(turn), where));
    await asked(`insert${suffix}`, (rows, where) => {
      assert.equal(rows.length, 1, where);
      assert.match(String(rows[0]!['id']), uuid, where);
    });
    let updated = false;
    await asked(`update${suffix}`, () => {
      updated = true;
    });
    if (updated) assert.equal((await found())[0]?.['stock'], turn, `${subject.name}, update${suffix}`);
    if (suffix !== '') continue;
    await asked('transaction', (rows, where) => {
      expectProduct(rows, tenantId, skuOf(turn), where);
      assert.equal(rows[0]!['stock'], turn, where);
    });
    for (const name of filterCases) await asked(name, (rows, where) => assert.equal(rows.length, documentsPerKind, where));
  }
}

/**
 * Asks one tenant for a row that another has.
 *
 * @throws {assert.AssertionError} when it is answered, or when its owner does not find it
 */
export async function guardTenants(subject: Subject): Promise<void> {
  const [first, second] = subject.tenantIds as readonly [string, string];
  const owned = (await subject.find(second, ownSkuOf(second))) as readonly Row[];
  assert.equal(owned.length, 1, `${subject.name}: a tenant's own row`);
  const foreign = (await subject.find(first, ownSkuOf(second))) as readonly Row[];
  assert.equal(foreign.length, 0, `${subject.name}: another tenant's row`);
}

function expectProduct(rows: readonly Row[], tenantId: string, sku: string, where: string): void {
  assert.equal(rows.length, 1, where);
  const { id, stock, ...rest } = rows[0]!;
  assert.match(String(id), uuid, where);
  assert.equal(typeof stock, 'number', where);
  assert.deepEqual({ ...rest }, { sku, description: descriptionOf(tenantId, sku) }, where);
}

function expectLines(rows: readonly Row[], tenantId: string, order: number, where: string): void {
  const expected = Array.from({ length: linesPerOrder }, (_, index) => {
    const sku = `SKU-${order * linesPerOrder + index}`;
    return { line: index + 1, quantity: index + 1, sku, description: descriptionOf(tenantId, sku) };
  });
  const answered = rows.map(({ stock: _stock, ...rest }) => ({ ...rest }));
  assert.deepEqual(answered, expected, where);
}
