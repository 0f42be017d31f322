import { createSecretKey, randomBytes } from 'node:crypto';
import type postgres from 'postgres';
import type { AuditEvent } from '../../src/audit/audit-event.ts';
import type { AuditSink } from '../../src/audit/audit-sink.ts';
import type { LaneTransaction, TransactionOptions, Unit, UnitContext } from '../../src/connection/lane.ts';
import type { LanePool } from '../../src/connection/lane-pool.ts';
import type { Statement, StatementResult } from '../../src/connection/statement.ts';
import { LocalTenantKeys } from '../../src/crypto/local-tenant-keys.ts';
import type { TenantKeys } from '../../src/crypto/tenant-keys.ts';
import { PolicyViolationError, QueryFailedError, TransactionOverError, UnknownTenantError } from '../../src/errors.ts';
import type { KeyRing } from '../../src/keys/key-ring.ts';
import type { Route, Router } from '../../src/routing/route.ts';
import { enterScope, Scope } from '../../src/tenant/scope.ts';
import type { Tenant } from '../../src/tenant/tenant.ts';
import { defaultTiers } from '../../src/tenant/tier.ts';

/** The simplest route that works: every unit is awaited message by message on one connection. Tests of queries need no more of lanes. */
export class DirectPool implements LanePool {
  readonly size = 1;
  /** Every statement that came through, in order. */
  readonly sent: { readonly tenantId: string; readonly text: string; readonly raw: boolean; readonly transaction: boolean }[] = [];
  readonly #sql: postgres.Sql;
  #tail: Promise<unknown> = Promise.resolve();

  /** @param sql a client with `max: 1` */
  constructor(sql: postgres.Sql) {
    this.#sql = sql;
  }

  async run({ context, statement }: Unit): Promise<StatementResult> {
    return await this.transaction(context, {}, (transaction) => transaction.execute(statement, { raw: context.raw }), false);
  }

  async transaction<T>(
    context: UnitContext,
    options: TransactionOptions,
    callback: (transaction: LaneTransaction) => Promise<T>,
    interactive = true,
  ): Promise<T> {
    const mine = this.#tail.then(() => this.#transaction(context, options, callback, interactive));
    this.#tail = mine.catch(() => {});
    return await mine;
  }

  async #transaction<T>(
    context: UnitContext,
    options: TransactionOptions,
    callback: (transaction: LaneTransaction) => Promise<T>,
    interactive: boolean,
  ): Promise<T> {
    const modes = [
      options.isolationLevel && `isolation level ${options.isolationLevel}`,
      options.accessMode,
      options.deferrable === true ? 'deferrable' : undefined,
    ];
    await this.#sql.unsafe(`begin ${modes.filter(Boolean).join(', ')}`);
    await this.#sql.unsafe(`select set_config('tenancy.context', $1, true)`, [context.sign(0)]);
    let over = false;
    let savepoints = 0;
    const transaction: LaneTransaction = {
      get over() {
        return over;
      },
      execute: async (statement, { raw = false } = {}) => {
        if (over) throw new TransactionOverError('over');
        if (raw) await this.#sql.unsafe(`select set_config('search_path', $1, true)`, [context.searchPath ?? '']);
        this.sent.push({ tenantId: context.tenantId, text: statement.text, raw, transaction: interactive });
        return await this.#statement(statement);
      },
      savepoint: async (inner) => {
        savepoints += 1;
        const name = `s${savepoints}`;
        await this.#sql.unsafe(`savepoint ${name}`);
        try {
          const result = await inner();
          await this.#sql.unsafe(`release savepoint ${name}`);
          return result;
        } catch (error) {
          await this.#sql.unsafe(`rollback to savepoint ${name}`);
          throw error;
        }
      },
      copyTo: (text) => this.#copy(context, text),
    };
    try {
      const result = await callback(transaction);
      over = true;
      await this.#sql.unsafe('commit');
      return result;
    } catch (error) {
      over = true;
      await this.#sql.unsafe('rollback');
      throw error;
    }
  }

  async *#copy(context: UnitContext, text: string): AsyncGenerator<Uint8Array> {
    await this.#sql.unsafe(`select set_config('search_path', $1, true)`, [context.searchPath ?? '']);
    const stream = await this.#sql.unsafe(text).readable();
    for await (const chunk of stream) yield chunk as Buffer;
  }

  async #statement({ text, params, rows }: Statement): Promise<StatementResult> {
    try {
      const query = this.#sql.unsafe(text, params as never[]);
      const result = rows === 'array' ? await query.values() : await query;
      return { rows: [...result], rowCount: result.count ?? 0, command: result.command };
    } catch (error) {
      const { code, table_name: table, message } = error as { code: string; table_name?: string; message: string };
      const Failure = code === '42501' ? PolicyViolationError : QueryFailedError;
      throw new Failure(code === '42501' ? message : `${message} (${code})`, { sqlState: code, table });
    }
  }

  async close(): Promise<void> {}
}

export function testTenant(id: string): Tenant {
  return {
    id,
    name: id,
    tier: defaultTiers['standard']!,
    region: 'eu-1',
    dataResidency: ['eu-1'],
    status: 'active',
    config: {} as Tenant['config'],
  };
}

/** Tenants by schema; the first use of each goes the slow way, as after a start. */
export class DirectRouter implements Router {
  readonly #pool: LanePool;
  readonly #schemas: Readonly<Record<string, string>>;
  readonly #known = new Map<string, Route>();

  constructor(pool: LanePool, schemas: Readonly<Record<string, string>>) {
    this.#pool = pool;
    this.#schemas = schemas;
  }

  cached(tenantId: string): Route | undefined {
    return this.#known.get(tenantId);
  }

  async route(tenantId: string): Promise<Route> {
    const schema = this.#schemas[tenantId];
    if (schema === undefined) throw new UnknownTenantError(`no tenant ${tenantId}`);
    const context: UnitContext = { tenantId, sign: () => tenantId, searchPath: undefined, raw: false };
    const route: Route = {
      tenant: testTenant(tenantId),
      placement: { tenantId, clusterId: 'c', database: 'd', schema, isolation: 'row', epoch: 1, schemaVersion: '1' },
      pool: this.#pool,
      referenceSchema: 'reference',
      context,
      rawContext: { ...context, searchPath: `"${schema}", "reference", pg_temp`, raw: true },
    };
    this.#known.set(tenantId, route);
    return route;
  }

  async close(): Promise<void> {}
}

/** Random keys by tenant. */
export class TestKeyRing implements KeyRing {
  loads = 0;
  readonly #keys = new Map<string, TenantKeys>();

  cached(tenantId: string): TenantKeys | undefined {
    return this.#keys.get(tenantId);
  }

  async load(tenantId: string): Promise<TenantKeys> {
    this.loads += 1;
    const keys = new LocalTenantKeys({
      tenantId,
      currentVersion: 1,
      dataKeys: new Map([[1, createSecretKey(randomBytes(32))]]),
      indexSecret: createSecretKey(randomBytes(32)),
    });
    this.#keys.set(tenantId, keys);
    return keys;
  }

  evict(tenantId: string): void {
    this.#keys.delete(tenantId);
  }
  async close(): Promise<void> {}
}

export class MemorySink implements AuditSink {
  readonly name = 'memory';
  readonly events: AuditEvent[] = [];
  /** Whether writing fails. */
  broken = false;

  async write(events: readonly AuditEvent[]): Promise<void> {
    if (this.broken) throw new Error('the sink is broken');
    this.events.push(...events);
  }

  async close(): Promise<void> {}
}

/** `tenancy.run` without a catalog. */
export async function runAs<T>(tenantId: string, callback: () => T | PromiseLike<T>): Promise<T> {
  return await enterScope(new Scope(testTenant(tenantId)), callback);
}
