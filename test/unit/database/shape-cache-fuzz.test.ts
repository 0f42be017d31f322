import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Ingredient, ingredient, type Token } from '../../../src/database/shape-key.ts';
import { ShapeWalk } from '../../../src/database/shape-walk.ts';
import { Decisions } from '../../support/decisions.ts';
import { randomQuery } from '../../support/random-query.ts';
import { ShapeSubject } from '../../support/shape-subject.ts';

/** A family of queries: one, and a sibling that differs from it in one decision. */
interface Family {
  readonly seed: number;
  readonly flip: number;
  readonly by: number;
  readonly values: number;
}

const family = fc.record({ seed: fc.nat(), flip: fc.nat(), by: fc.nat(), values: fc.nat() });
const runs = Number(process.env['TENANCY_FUZZ_RUNS'] ?? 400);
const seed = Number(process.env['TENANCY_FUZZ_SEED'] ?? Date.now() % 0x7fffffff);

/** Runs a family on both, with other values each time, and answers the first pair of outcomes that differ. */
async function difference(cached: ShapeSubject, plain: ShapeSubject, { seed, flip, by, values }: Family, pins = {}) {
  const first = new Decisions(seed, values, undefined, pins);
  try {
    randomQuery(plain.db, first);
  } catch {
    // Building may be refused; then it must be each time.
  }
  const { taken } = first;
  const at = taken[flip % taken.length]![0];
  let turn = values;
  for (const sibling of [false, false, false, true, true, true, false]) {
    turn += 1;
    const tenant = turn % 3 === 0 ? 'beta' : 'alpha';
    const query = (db: ShapeSubject['db']) => randomQuery(db, new Decisions(seed, turn, sibling ? { at, by } : undefined, pins));
    const expected = await plain.outcome(tenant, turn, query);
    const found = await cached.outcome(tenant, turn, query);
    if (written(found) !== written(expected)) return { at, sibling, found, expected };
  }
  return undefined;
}

/** Deep equality takes no invalid date for another. */
function written(outcome: object): string {
  return inspect(outcome, { depth: Number.POSITIVE_INFINITY, maxArrayLength: null, maxStringLength: null });
}

describe('statements from the shape cache', () => {
  it('are the ones that the dialect builds, for random queries and their siblings', { timeout: 600_000 }, async () => {
    console.info(`TENANCY_FUZZ_SEED=${seed} TENANCY_FUZZ_RUNS=${runs}`);
    const cached = new ShapeSubject({});
    const plain = new ShapeSubject({ capacity: 0 });
    await fc.assert(
      fc.asyncProperty(family, async (one) => {
        expect(await difference(cached, plain, one)).toBeUndefined();
      }),
      { numRuns: runs, seed },
    );
    console.info(`${cached.dialect.shapes.hits} hits in ${runs * 7} queries`);
    // The control: the comparison was of kept statements.
    expect(cached.dialect.shapes.hits).toBeGreaterThan(runs);
  });
});

/** A walk that leaves out one part of every key. */
class Forgetful extends ShapeWalk {
  readonly #without: Ingredient;

  constructor(without: Ingredient) {
    super();
    this.#without = without;
  }

  protected override step(of: Ingredient, part: Token): void {
    if (of !== this.#without) super.step(of, part);
  }
}

/**
 * Parts without which two statements of different text have one key, each with what the queries that tell have in common. The others
 * (kind, chunkCount, listLength, limit, distinct, rows) are boundaries: the steps around them happen to tell today.
 */
const telling: Partial<Record<keyof typeof ingredient, Record<string, number>>> = {
  clause: { 's.nested': 1 },
  text: {},
  chunkKind: { 's.where': 0, 's.where.is': 3 },
  column: {},
  table: {},
  tableAlias: {},
  name: { 's.where': 0, 's.where.is': 3 },
  parameter: { statement: 0, into: 3 },
  fieldKey: { 's.all': 1 },
  fieldShape: { 's.all': 1, 's.nested': 1, 's.grouped': 0 },
  decoder: { 's.all': 1, 's.nested': 1, 's.grouped': 1, 's.0.field': 1 },
  fieldAlias: { 's.all': 1, 's.0.field': 0 },
  subquery: { 's.nested': 0, 's.counted': 0 },
  join: { 's.joins': 1 },
  lock: { 's.lock': 0 },
  cell: { statement: 0 },
  assignment: { statement: 1 },
};

describe('a key without one of its parts is found out', () => {
  for (const [name, pins] of Object.entries(telling)) {
    it(name, { timeout: 600_000 }, async () => {
      const cached = new ShapeSubject({ walk: new Forgetful(ingredient[name as keyof typeof ingredient]) });
      const plain = new ShapeSubject({ capacity: 0 });
      const all = { statement: 4, ...pins };
      const result = await fc.check(
        fc.asyncProperty(family, async (one) => (await difference(cached, plain, one, all)) === undefined),
        // A control must not depend on luck.
        { numRuns: 2_000, seed: 1, endOnFailure: true },
      );
      expect(result.failed).toBe(true);
    });
  }
});
