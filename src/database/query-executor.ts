import type { Logger } from 'drizzle-orm';
import type { TransactionOptions, UnitContext } from '../connection/lane.ts';
import type { Statement, StatementResult } from '../connection/statement.ts';
import type { TenantKeys } from '../crypto/tenant-keys.ts';
import { NotSupportedError, PlanInvalidatedError } from '../errors.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import type { Route, Router } from '../routing/route.ts';
import { currentScope, type Scope } from '../tenant/scope.ts';
import { AmbientTransaction, ambientTransaction } from './ambient-transaction.ts';
import type { Binding } from './binding.ts';
import type { CompiledQuery } from './compiled-query.ts';
import { KeysNeeded, withDecryptionKeys } from './decryption.ts';
import type { Refusals } from './refusals.ts';
import { resolveParams } from './resolve-params.ts';

/** One execution of a compiled statement. */
export interface QueryRequest<T> {
  readonly query: CompiledQuery;
  /** The placeholders' values. */
  readonly values: Record<string, unknown>;
  readonly rows: Statement['rows'];
  /** Whether the caller wrote the statement. */
  readonly raw: boolean;
  readonly map: (result: StatementResult) => T;
}

export interface QueryExecutorOptions {
  readonly router: Router;
  readonly keys: KeyRing;
  readonly refusals: Refusals;
  readonly logger?: Logger | undefined;
}

/**
 * The one way from a query to a lane: decides whose it is now, refuses what is not the executing tenant's, fills in schema, ids and
 * ciphertexts, and sends it.
 */
export class QueryExecutor {
  readonly #router: Router;
  readonly #keys: KeyRing;
  readonly #refusals: Refusals;
  readonly #logger: Logger | undefined;

  constructor(options: QueryExecutorOptions) {
    this.#router = options.router;
    this.#keys = options.keys;
    this.#refusals = options.refusals;
    this.#logger = options.logger;
  }

  /**
   * @throws {NoTenantError} {@link WrongTenantError} {@link CrossTenantAccessError} {@link PolicyViolationError}, each recorded first
   * @throws {TransactionOverError} and whatever the router, the key ring and the lane throw
   */
  async execute<T>(binding: Binding, request: QueryRequest<T>): Promise<T> {
    const scope = await this.#admit(binding);
    const transaction = this.#transactionOf(binding, scope);
    const tenantId = scope.tenant.id;
    const { query } = request;
    try {
      const keys = query.touchesEncrypted ? await this.#keysOf(tenantId) : undefined;
      const params = resolveParams(query.params, request.values, tenantId, keys);
      const route = transaction?.route ?? this.#router.cached(tenantId) ?? (await this.#router.route(tenantId));
      const statement: Statement = { text: query.textFor(route.placement.schema), params, rows: request.rows, prepare: !request.raw };
      // Keys and route may have taken a while; the scope or the transaction may be over by now.
      if (scope.over) await this.#refusals.scope(binding, scope);
      transaction?.assertOpen();
      this.#logger?.logQuery(
        statement.text,
        params.map(() => '…'),
      );
      const result =
        transaction === undefined
          ? await this.#unit(route, statement, underGrant(request.raw ? route.rawContext : route.context, scope))
          : await transaction.lane.execute(statement, { raw: request.raw });
      scope.grant?.work.add(result);
      return await this.#mapped(tenantId, keys, () => request.map(result));
    } catch (error) {
      throw await this.#refusals.audited(error, scope, query.sql);
    }
  }

  /** Runs a callback in a transaction of the current scope, or in a savepoint when the scope is in one. */
  async transaction<T>(
    binding: Binding,
    options: TransactionOptions | undefined,
    callback: (transaction: AmbientTransaction) => Promise<T>,
  ): Promise<T> {
    const scope = await this.#admit(binding);
    const outer = this.#transactionOf(binding, scope);
    const enter = (route: Route, lane: AmbientTransaction['lane']): Promise<T> => {
      const transaction = new AmbientTransaction(scope, route, lane);
      return transaction.enter(() => callback(transaction));
    };
    try {
      if (outer !== undefined) {
        if (options !== undefined && Object.values(options).some((option) => option !== undefined)) {
          throw new NotSupportedError('A nested transaction is a savepoint and can’t change the isolation level or access mode.', {
            tenantId: scope.tenant.id,
            hint: 'Give them to the outermost transaction.',
          });
        }
        return await outer.lane.savepoint(() => enter(outer.route, outer.lane));
      }
      const route = this.#router.cached(scope.tenant.id) ?? (await this.#router.route(scope.tenant.id));
      if (scope.over) await this.#refusals.scope(binding, scope);
      return await route.pool.transaction(underGrant(transactionContext(route), scope), options ?? {}, (lane) => enter(route, lane));
    } catch (error) {
      throw await this.#refusals.audited(error, scope, 'transaction');
    }
  }

  async #admit(binding: Binding): Promise<Scope> {
    const scope = currentScope();
    if (scope === undefined || scope.over) return this.#refusals.scope(binding, scope);
    const own = binding.transaction?.tenantId ?? (binding.anyTenant ? scope.tenant.id : binding.tenantId);
    if (own !== scope.tenant.id) return this.#refusals.scope(binding, scope);
    return scope;
  }

  #transactionOf(binding: Binding, scope: Scope): AmbientTransaction | undefined {
    const transaction = binding.transaction ?? ambientTransaction(scope);
    transaction?.assertOpen();
    return transaction;
  }

  async #keysOf(tenantId: string): Promise<TenantKeys> {
    return this.#keys.cached(tenantId) ?? (await this.#keys.load(tenantId));
  }

  /** A unit of which nothing was kept may run again: a migration invalidates a plan once. */
  async #unit(route: Route, statement: Statement, context: UnitContext): Promise<StatementResult> {
    try {
      return await route.pool.run({ context, statement });
    } catch (error) {
      if (!(error instanceof PlanInvalidatedError)) throw error;
      return await route.pool.run({ context, statement });
    }
  }

  /** Maps rows; should they hold encrypted values that compiling did not see, once more with the keys. */
  async #mapped<T>(tenantId: string, keys: TenantKeys | undefined, map: () => T): Promise<T> {
    try {
      return withDecryptionKeys(keys, map);
    } catch (error) {
      if (!(error instanceof KeysNeeded)) throw error;
      return withDecryptionKeys(await this.#keysOf(tenantId), map);
    }
  }
}

/**
 * The context of work that crosses tenants: the audit entry that allowed it is signed with it. Taken from the scope now, since a unit that
 * waits for a lane is signed later, in whichever code lets it go.
 */
function underGrant(context: UnitContext, { grant }: Scope): UnitContext {
  return grant === undefined ? context : { ...context, sign: (backendPid) => context.sign(backendPid, grant.auditId) };
}

/** A transaction's context: an ORM one whose raw statements, if any come, find the tenant's search_path. */
function transactionContext({ context, rawContext }: Route): UnitContext {
  return { ...context, searchPath: rawContext.searchPath };
}
