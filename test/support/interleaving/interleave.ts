import { EventEmitter } from 'node:events';
import { Seeded } from '../seeded.ts';
import { Book, type Violation } from './book.ts';
import { across, events, leftBehind, nested, sharedStreams, streams, together } from './detours.ts';
import type { Face } from './platform.ts';
import { prepareQueries } from './prepared.ts';
import { type Exchange, type Program, pause, type Step } from './program.ts';
import { awaitCarried, counts, leaveCarried, readAll, readNotes, readSecret, sessionState } from './reads.ts';
import { change, failures, insert, transaction } from './writes.ts';

/** Every step, and how often it comes beside the others. */
const weights: readonly (readonly [Step, number])[] = [
  [readAll, 20],
  [readSecret, 4],
  [readNotes, 3],
  [counts, 2],
  [sessionState, 2],
  [leaveCarried, 2],
  [awaitCarried, 2],
  [insert, 6],
  [change, 3],
  [failures, 4],
  [transaction, 4],
  [events, 3],
  [streams, 1],
  [sharedStreams, 2],
  [together, 2],
  [nested, 2],
  [across, 1],
  [leftBehind, 2],
];
const steps = weights.flatMap(([step, weight]) => Array<Step>(weight).fill(step));

/** The names of all steps. */
export const stepNames: readonly string[] = weights.map(([step]) => step.name);

export interface InterleavingOptions {
  readonly face: Face;
  readonly tenants: readonly string[];
  readonly seed: number;
  readonly runs: number;
  /** How many interleavings are under way at a time. */
  readonly inFlight: number;
  /** Ends the whole once this has been seen. */
  readonly until?: ((violation: Violation) => boolean) | undefined;
}

export interface InterleavingReport {
  readonly book: Book;
  /** Interleavings that were begun. */
  readonly runs: number;
  /** The most tenants that were at work at the same time. */
  readonly together: number;
}

/**
 * Runs interleavings: in each, from two tenants to all of them begin a program of a few random steps at once, and several interleavings
 * are under way at a time. What a program does follows from the seed; when, from the machine.
 */
export async function interleave(options: InterleavingOptions): Promise<InterleavingReport> {
  const { face, tenants } = options;
  const seeded = new Seeded(options.seed);
  const book = new Book();
  const exchange: Exchange = { events: new EventEmitter(), carried: [], streams: [], prepared: prepareQueries(face) };
  const atWork = new Map<string, number>();
  let most = 0;
  let begun = 0;

  const program = async (tenantId: string, random: Seeded, name: string): Promise<void> => {
    let keys = 0;
    const others = tenants.filter((other) => other !== tenantId);
    const self: Program = { face, tenantId, random, book, exchange, others, newKey: () => `${name}-${keys++}` };
    try {
      await face.run(tenantId, async () => {
        atWork.set(tenantId, (atWork.get(tenantId) ?? 0) + 1);
        most = Math.max(most, atWork.size);
        for (let more = true; more; more = random.chance(0.2)) {
          const step = random.pick(steps);
          book.counted(step.name);
          await pause(random);
          await step(self);
        }
      });
    } catch (error) {
      book.note('refusal', `${tenantId} met ${String(error)}`);
    }
    const left = (atWork.get(tenantId) ?? 0) - 1;
    if (left > 0) atWork.set(tenantId, left);
    else atWork.delete(tenantId);
  };

  const stop = (): boolean => begun >= options.runs || (options.until !== undefined && book.violations.some(options.until));
  const worker = async (): Promise<void> => {
    while (!stop()) {
      const run = begun++;
      const random = seeded.fork(run);
      let size = 2;
      while (size < tenants.length && random.chance(0.25)) size++;
      if (random.chance(0.005)) size = tenants.length;
      const chosen = Array.from(
        { length: size },
        (_, index) => [tenants[(run + index * 7) % tenants.length]!, random.fork(index)] as const,
      );
      await Promise.all(chosen.map(([tenantId, own], index) => program(tenantId, own, `${run}-${index}`)));
    }
  };
  await Promise.all(Array.from({ length: options.inFlight }, worker));
  while (book.loose.size > 0) await Promise.all(book.loose);
  return { book, runs: begun, together: most };
}
