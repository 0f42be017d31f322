import { createTableRelationsHelpers, extractTablesRelationalConfig, type TablesRelationalConfig } from 'drizzle-orm';
import { Auditor } from '../../src/audit/auditor.ts';
import type { Unit } from '../../src/connection/lane.ts';
import type { LanePool } from '../../src/connection/lane-pool.ts';
import { decryptValue } from '../../src/crypto/column-codec.ts';
import { CachingDialect } from '../../src/database/caching-dialect.ts';
import { QueryExecutor } from '../../src/database/query-executor.ts';
import { Refusals } from '../../src/database/refusals.ts';
import type { ScopedPgDatabase } from '../../src/database/scoped-database.ts';
import { SessionPool } from '../../src/database/session-pool.ts';
import type { ShapeCacheOptions } from '../../src/database/shape-cache.ts';
import { TenantDatabase } from '../../src/database/tenant-database.ts';
import { schema } from '../integration/database/sample-schema.ts';
import { DirectRouter, runAs, TestKeyRing } from './direct-route.ts';

/** Answers every statement with rows that are the same for the same seed, more columns than any statement asks for. */
class AnsweringPool implements LanePool {
  readonly size = 1;
  unit: Unit | undefined;
  seed = 0;

  async run(unit: Unit) {
    this.unit = unit;
    const rows = [0, 1, 2].map((row) =>
      Array.from({ length: 64 }, (_, column) => {
        const cell = Math.imul(this.seed + row * 7 + column, 2_654_435_761) >>> 28;
        return [null, 'text', '\\x00', 7, '2024-01-02 03:04:05+00', null, '{"a":1}', '{a,b}'][cell % 8];
      }),
    );
    return { rows, rowCount: 3, command: 'SELECT' };
  }

  async transaction(): Promise<never> {
    throw new Error('not here');
  }
  async close(): Promise<void> {}
}

/** What became of a query: what was sent and how the answer was mapped, or the error. */
export interface Outcome {
  readonly text?: string | undefined;
  readonly params?: readonly unknown[] | undefined;
  readonly rows?: unknown;
  readonly error?: string;
}

const keys = new TestKeyRing();
const places = ['iban', 'address', 'logo'].map((column) => ({ table: 'suppliers', column }));

/** tenancy.db with a shape cache to be looked at, over lanes that answer anything. */
export class ShapeSubject {
  readonly dialect: CachingDialect;
  readonly db: ScopedPgDatabase<typeof schema>;
  readonly #pool = new AnsweringPool();

  constructor(options: ShapeCacheOptions) {
    this.dialect = new CachingDialect(options);
    const { tables, tableNamesMap } = extractTablesRelationalConfig(schema, createTableRelationsHelpers);
    const executor = new QueryExecutor({
      router: new DirectRouter(this.#pool, { alpha: 'a_schema', beta: 'b_schema' }),
      keys,
      refusals: new Refusals(new Auditor([])),
    });
    const sessions = new SessionPool({
      dialect: this.dialect,
      executor,
      schema: { fullSchema: schema, schema: tables as TablesRelationalConfig, tableNamesMap },
    });
    this.db = new TenantDatabase(() => sessions.current()) as never;
  }

  async outcome(tenantId: string, seed: number, make: (db: this['db']) => PromiseLike<unknown>): Promise<Outcome> {
    this.#pool.unit = undefined;
    this.#pool.seed = seed;
    try {
      const rows = await runAs(tenantId, () => make(this.db));
      return { ...this.#sent(tenantId), rows };
    } catch (error) {
      return { ...this.#sent(tenantId), error: String(error) };
    }
  }

  /** Ciphertexts differ each time; what they open to must not. */
  #sent(tenantId: string): Outcome {
    const statement = this.#pool.unit?.statement;
    const readable = (param: unknown) => {
      if (!Buffer.isBuffer(param)) return param;
      for (const place of places) {
        try {
          return { place, plaintext: decryptValue(keys.cached(tenantId)!, place, param).toString('hex') };
        } catch {}
      }
      return param;
    };
    return { text: statement?.text, params: statement?.params.map(readable) };
  }
}
