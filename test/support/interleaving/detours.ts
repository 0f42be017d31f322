import { PassThrough, Readable, Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AbortedError, CrossTenantAccessError } from '../../../src/errors.ts';
import { type Program, pause, refused, type Step, write } from './program.ts';
import { isOver, readAll, readHere } from './reads.ts';
import { items, notes } from './schema.ts';

/** Listeners of one emitter that all tenants share: each runs in the scope of whoever emits. */
export const events: Step = async (program) => {
  const { exchange, book, random } = program;
  const name = `event ${random.below(3)}`;
  if (random.chance(0.5) && exchange.events.listenerCount(name) < 5) {
    exchange.events.once(name, (emitterId: string) => {
      if (program.face.currentOrNull()?.id !== emitterId) book.note('foreign', `an event of ${emitterId} was heard in another scope`);
      book.watch(readHere(program, 'event'));
    });
  } else exchange.events.emit(name, program.tenantId);
};

async function* ids(program: Program): AsyncGenerator<number> {
  for (const id of [1, 2, 3]) {
    await readAll(program);
    await pause(program.random);
    yield id;
  }
}

/** Queries inside the callbacks of a pipeline. */
export const streams: Step = async (program) => {
  const { face, random, book, tenantId, exchange } = program;
  let passed = 0;
  const lookUp = new Transform({
    objectMode: true,
    transform: (id: number, _encoding, done) => {
      exchange.prepared.item.execute({ id }).then(
        (rows) => done(null, rows[0]),
        (error: Error) => done(error),
      );
    },
  });
  const sink = new Writable({
    objectMode: true,
    write: (item: { marker: string }, _encoding, done) => {
      book.own(tenantId, [item], 'stream');
      passed++;
      face.db
        .select({ marker: items.marker })
        .from(items)
        .limit(1)
        .then(
          (rows) => {
            book.own(tenantId, rows, 'stream');
            done();
          },
          (error: Error) => done(error),
        );
    },
  });
  if (random.chance(0.5)) await pipeline(Readable.from(ids(program)), new PassThrough({ objectMode: true }), lookUp, sink);
  else await pipeline(Readable.from([1, 2, 3]), lookUp, sink);
  if (passed !== 3) book.note('missing', `stream: ${passed} of 3 items of ${tenantId} came through`);
};

/** A stream that one program makes and another reads: its generator runs as whoever reads. */
export const sharedStreams: Step = async (program) => {
  const { exchange } = program;
  const found = exchange.streams.shift();
  if (found !== undefined) {
    for await (const _ of found);
    return;
  }
  exchange.streams.push(
    Readable.from(
      (async function* () {
        for (const part of [1, 2]) {
          await readHere(program, 'shared stream');
          yield part;
        }
      })(),
    ),
  );
};

/** Several at once: what wins a race is its own, and so is what loses. */
export const together: Step = async (program) => {
  const { random } = program;
  const some = Array.from({ length: 2 + random.below(3) }, () => async () => {
    await pause(random);
    await readAll(program);
  });
  if (random.chance(0.6)) await Promise.all(some.map((one) => one()));
  else {
    const racing = some.map((one) => one());
    await Promise.race(racing);
    await Promise.all(racing);
  }
};

/** The same tenant's scope inside its own, and another's, which is refused. */
export const nested: Step = async (program) => {
  const { face, tenantId, random } = program;
  await face.run(tenantId, async () => {
    await pause(random);
    await face.run(tenantId, async () => await readAll(program));
  });
  if (random.chance(0.05))
    await refused(
      program,
      'a scope of another tenant',
      () => face.run(random.pick(program.others), () => readAll(program)),
      CrossTenantAccessError,
    );
};

/** The one way across, from inside a scope, sometimes with a signal that fires in between. */
export const across: Step = async (program) => {
  const { face, random, book, tenantId, others } = program;
  if (random.chance(0.7)) return await readAll(program);
  const tenants = [random.pick(others), tenantId];
  const aborter = new AbortController();
  const aborted = random.chance(0.3);
  const work = () =>
    face.acrossTenants({ actor: 'interleaving', reason: 'test', tenants, signal: aborter.signal }, async ({ id }) => {
      book.allItems(id, await face.db.select({ id: items.id, marker: items.marker }).from(items), 'across tenants');
      if (aborted) aborter.abort();
    });
  if (aborted) await refused(program, 'aborted work across tenants', work, AbortedError);
  else await work();
  await readAll(program);
};

/** Work that is begun and not waited for; it ends after its scope, or its transaction, and may then be refused. */
export const leftBehind: Step = async (program) => {
  const { face, random, book } = program;
  const late = async (begin: Promise<unknown>): Promise<void> => {
    await begin;
    await pause(random);
    await readHere(program, 'left behind');
  };
  const begun = new Promise((resolve) => {
    setTimeout(resolve, random.below(6));
  });
  if (random.chance(0.5)) book.watch(late(begun));
  else {
    const key = program.newKey();
    // Not waited for, and on its way already when the scope ends.
    book.watch(write(program, key, 0, () => face.db.insert(notes).values({ key, itemId: 1, marker: program.tenantId, n: 0 })));
  }
  if (random.chance(0.3)) {
    let over = false;
    await face.db.transaction(async (tx) => {
      await tx.select({ id: items.id }).from(items).limit(1);
      const work = begun.then(async () => {
        // What comes before the COMMIT is a part of the transaction, awaited or not.
        const late = over;
        try {
          await tx.select().from(items);
          if (late) book.note('refusal', `a transaction of ${program.tenantId} was used after its end`);
        } catch (error) {
          if (!isOver(error)) throw error;
        }
      });
      book.watch(work);
    });
    over = true;
  }
};
