import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { type Batch, Difference, type Oracle } from './oracle.ts';

/** Printed at the start and with every failure, there so that the batch that failed comes first. */
export const fuzzSeed = Number(process.env['TENANCY_FUZZ_SEED'] ?? randomInt(2 ** 31));

const stride = 8;

const batches: fc.Arbitrary<Batch> = fc.record({
  data: fc.uint8Array({ minLength: 0, maxLength: 400, size: 'max' }),
  queries: fc.array(fc.record({ tenant: fc.nat({ max: 11 }), tape: fc.uint8Array({ minLength: 0, maxLength: 160, size: 'max' }) }), {
    minLength: 1,
    maxLength: 60,
    size: 'max',
  }),
});

/**
 * Runs batches until so many queries were compared. The first difference is shrunk and thrown, with the seed of its batch: that batch
 * comes first when the seed is given.
 *
 * @param offset 0 … 7: each has batches of its own from one seed
 * @param shrink false for controls, where any difference will do
 */
export async function fuzz(oracle: Oracle, queries: number, { offset = 0, shrink = true } = {}): Promise<void> {
  for (let seed = fuzzSeed; oracle.compared < queries; seed += stride) {
    const details = await fc.check(
      fc.asyncProperty(batches, async (generated) => await oracle.run(generated)),
      { seed: seed + offset, numRuns: 1, unbiased: true, endOnFailure: !shrink, interruptAfterTimeLimit: 30_000 },
    );
    if (!details.failed) continue;
    const { errorInstance } = details;
    const reason = errorInstance instanceof Error ? errorInstance : new Error(String(errorInstance));
    if (reason instanceof Difference) throw new Difference(`TENANCY_FUZZ_SEED=${seed}\n${reason.message}`);
    throw reason;
  }
}
