import type { BackendKey } from './cancel-request.ts';

/** What a lane uses of postgres.js's query objects, over and above their types. Pinned by a test: an upgrade may change it. */
export interface DriverQuery extends Promise<unknown> {
  /** Set when the query is handed to the connection: from then on it may have been written. */
  readonly state: BackendKey | null;
  /** Whether it was to be kept prepared, and whether it already was. */
  readonly prepare?: boolean;
  readonly prepared?: boolean;
  cancelled: unknown;
  resolve(result: unknown): void;
  reject(reason: unknown): void;
  values(): this;
}

/** The driver wanted to send a statement again because its plan had been invalidated, and was refused. */
export class ResendRefused extends Error {}

const guarded = new WeakMap<object, object>();

/**
 * Takes two habits from a postgres.js query.
 *
 * It is never sent again: the driver's retry writes a statement behind everything that has been written since, which may be another
 * tenant's transaction. `retried` is assigned just before; the setter settles the query and marks it cancelled, which the driver skips.
 *
 * It never waits to be described: a text's first use with parameters would stop the pipeline after Parse, with the rest of the unit
 * in the client's queue. Parameters are sent as text with types of our own choosing, so the description isn't needed beforehand.
 */
export function guardQuery<Q extends DriverQuery>(query: Q): Q {
  const base = Object.getPrototypeOf(query) as object;
  let prototype = guarded.get(base);
  if (prototype === undefined) {
    prototype = Object.create(base, {
      retried: {
        get: () => undefined,
        set(this: DriverQuery) {
          this.cancelled = { resolve() {}, reject() {} };
          this.reject(new ResendRefused());
        },
      },
      describeFirst: { get: () => false, set() {} },
      // The driver keeps a never-emptied map of the origins of failed queries; without one there is nothing to keep.
      origin: { get: () => '' },
    }) as object;
    guarded.set(base, prototype);
  }
  return Object.setPrototypeOf(query, prototype) as Q;
}
