import type { EventEmitter } from 'node:events';
import type { Readable } from 'node:stream';
import { TenancyError } from '../../../src/errors.ts';
import type { Seeded } from '../seeded.ts';
import type { Book } from './book.ts';
import type { Face } from './platform.ts';
import type { Prepared } from './prepared.ts';

/** What programs of different tenants pass to one another: everything that a process shares by accident. */
export interface Exchange {
  readonly events: EventEmitter;
  /** Queries that were made in one scope and left for whoever finds them. */
  readonly carried: { readonly tenantId: string; readonly query: PromiseLike<readonly { readonly marker: string }[]> }[];
  /** Streams that were made in one scope and are read in another. */
  readonly streams: Readable[];
  readonly prepared: Prepared;
}

/** One tenant's work in one interleaving: a few steps, in a scope of its own. */
export interface Program {
  readonly face: Face;
  readonly tenantId: string;
  readonly random: Seeded;
  readonly book: Book;
  readonly exchange: Exchange;
  /** Tenants to reach for. */
  readonly others: readonly string[];
  /** A key that no other program uses. */
  newKey(): string;
}

export type Step = (program: Program) => Promise<void>;

/** Lets others run, for a moment of a kind that chance decides. */
export async function pause(random: Seeded): Promise<void> {
  switch (random.below(8)) {
    case 0:
      return;
    case 1:
      return await new Promise((resolve) => {
        setTimeout(resolve, random.below(3));
      });
    case 2:
      return await new Promise((resolve) => {
        setImmediate(resolve);
      });
    case 3:
      return await new Promise((resolve) => {
        process.nextTick(resolve);
      });
    case 4:
      return await new Promise((resolve) => {
        queueMicrotask(resolve);
      });
    default:
      for (let turns = random.below(4); turns > 0; turns--) await null;
  }
}

/** Notes when work is not refused, or in another way than it should be. */
export async function refused(
  { book, tenantId }: Program,
  what: string,
  work: () => PromiseLike<unknown>,
  ...classes: readonly (abstract new (
    ...args: never[]
  ) => TenancyError)[]
): Promise<void> {
  try {
    await work();
    book.note('refusal', `${what} of ${tenantId} was let through`);
  } catch (error) {
    if (!classes.some((class_) => error instanceof class_)) book.note('refusal', `${what} of ${tenantId} met ${String(error)}`);
  }
}

/** A write whose acknowledgement is all that its caller knows: resolved means kept, refused by a typed error means not kept. */
export async function write(program: Program, key: string, n: number, work: () => PromiseLike<unknown>): Promise<void> {
  try {
    await work();
    program.book.kept(program.tenantId, key, n);
  } catch (error) {
    if (!(error instanceof TenancyError)) throw error;
  }
}
