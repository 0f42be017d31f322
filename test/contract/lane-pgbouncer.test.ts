import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../src/errors.ts';
import { createLaneDatabase, type LaneDatabase } from '../support/lane-database.ts';
import { type PgBouncer, pgbouncerVersion, startPgBouncer } from '../support/pgbouncer.ts';
import { describeLane } from './lane-contract.ts';

const version = pgbouncerVersion();

describe.skipIf(version === undefined)(`behind PgBouncer ${version ?? '(not installed)'} in transaction mode`, () => {
  const bouncers = new Map<string, PgBouncer>();
  afterAll(async () => {
    for (const bouncer of bouncers.values()) await bouncer[Symbol.asyncDispose]();
  });

  async function portOf(database: LaneDatabase): Promise<number> {
    const { host, port } = database.laneOptions();
    const bouncer = bouncers.get(database.login) ?? (await startPgBouncer({ host, port }, new Map([[database.login, database.password]])));
    bouncers.set(database.login, bouncer);
    return bouncer.port;
  }

  describeLane(
    'postgres.js through PgBouncer',
    async (database) => await database.lane({ host: '127.0.0.1', port: await portOf(database), pooled: true }),
  );

  describe('a cluster that is not marked as pooled', () => {
    let database: LaneDatabase;
    beforeAll(async () => {
      database = await createLaneDatabase();
    });
    afterAll(async () => {
      await database[Symbol.asyncDispose]();
    });

    test('is refused at the first lane', async () => {
      await expect(database.lane({ host: '127.0.0.1', port: await portOf(database) })).rejects.toThrow(ConfigurationError);
    });
  });
});
