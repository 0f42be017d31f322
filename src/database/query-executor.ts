import type { TransactionOptions, UnitContext } from '../connection/lane.ts';
import type { Statement, StatementResult } from '../connection/statement.ts';
import type { TenantKeys } from '../crypto/tenant-keys.ts';
import { AbortedError, LaneLostError, NotSupportedError, PlanInvalidatedError } from '../errors.ts';
import type { KeyRing } from '../keys/key-ring.ts';
import type { Route, Router } from '../routing/route.ts';
import type { ActiveStatement } from '../telemetry/active-statement.ts';
import type { Telemetry } from '../telemetry/telemetry.ts';
import { currentScope, type Scope } from '../tenant/scope.ts';
import { AmbientTransaction, ambientTransaction } from './ambient-transaction.ts';
import { anySignal } from './any-signal.ts';
import type { Binding } from './binding.ts';
import type { CompiledQuery } from './compiled-query.ts';
import { beginCopy, requireNoCopy } from './copy-in-progress.ts';
import { type CopyToOptions, copyText } from './copy-options.ts';
import { CopyRows } from './copy-rows.ts';
import { KeysNeeded, withDecryptionKeys } from './decryption.ts';
import { withoutFalseMatches } from './false-matches.ts';
import { HeldTransaction } from './held-transaction.ts';
import type { Refusals } from './refusals.ts';
import { resolveParams } from './resolve-params.ts';
import type { SilentAnswers } from './silent-answers.ts';

/** One execution of a compiled statement. */
export interface QueryRequest<T> {
  readonly query: CompiledQuery;
  /** The placeholders' values. */
  readonly values: Record<string, unknown>;
  readonly rows: Statement['rows'];
  /** Whether the caller wrote the statement. */
  readonly raw: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly map: (result: StatementResult) => T;
}

export interface QueryExecutorOptions {
  readonly router: Router;
  readonly keys: KeyRing;
  readonly refusals: Refusals;
  readonly telemetry?: Telemetry | undefined;
  /** Takes note of statements that came back with nothing. */
  readonly silent?: SilentAnswers | undefined;
}

/**
 * The one way from a query to a lane: decides whose it is now, refuses what is not the executing tenant's, fills in schema, ids and
 * ciphertexts, and sends it.
 */
export class QueryExecutor {
  readonly #router: Router;
  readonly #keys: KeyRing;
  readonly #refusals: Refusals;
  readonly #telemetry: Telemetry | undefined;
  readonly #silent: SilentAnswers | undefined;

  constructor(options: QueryExecutorOptions) {
    this.#router = options.router;
    this.#keys = options.keys;
    this.#refusals = options.refusals;
    this.#telemetry = options.telemetry;
    this.#silent = options.silent;
  }

  /**
   * @throws {NoTenantError} {@link WrongTenantError} {@link CrossTenantAccessError} {@link PolicyViolationError}, each recorded first
   * @throws {AbortedError} when the request's, the transaction's or the scope's signal fires
   * @throws {TransactionOverError} and whatever the router, the key ring and the lane throw
   */
  async execute<T>(binding: Binding, request: QueryRequest<T>): Promise<T> {
    const scope = currentScope();
    if (!admits(binding, scope)) return this.#refusals.scope(binding, scope);
    const tenantId = scope.tenant.id;
    const transaction = binding.transaction ?? ambientTransaction(scope);
    const signal = anySignal(request.signal, anySignal(transaction?.signal, scope.signal));
    const { query, raw } = request;
    let active: ActiveStatement | undefined;
    try {
      requireRunning(signal, tenantId);
      transaction?.assertOpen();
      const keys = query.touchesEncrypted ? (this.#keys.cached(tenantId) ?? (await this.#keys.load(tenantId, signal))) : undefined;
      const params = resolveParams(query.params, request.values, tenantId, keys);
      const route = transaction?.route ?? this.#router.cached(tenantId) ?? (await this.#router.route(tenantId, signal));
      const statement: Statement = { text: query.textFor(route.placement.schema), params, rows: request.rows, prepare: !raw };
      // Keys and route may have taken a while; the scope or the transaction may be over by now.
      if (scope.over) await this.#refusals.scope(binding, scope);
      if (transaction !== undefined) {
        transaction.assertOpen();
        requireNoCopy(transaction);
      }
      if (this.#telemetry !== undefined)
        active = this.#active(this.#telemetry, route, scope, query, statement, raw, transaction !== undefined);
      const result =
        transaction === undefined
          ? await this.#unit(route, statement, scope, raw, signal)
          : await transaction.lane.execute(statement, { raw, signal });
      active?.end(result);
      scope.grant?.work.add(result);
      if (this.#silent !== undefined && result.rowCount === 0) this.#silent.note(route, scope, query.sql, statement);
      return this.#mapped(tenantId, keys, result, (answer) =>
        request.map(query.rowFilters.length === 0 ? answer : withoutFalseMatches(query, request.values, answer)),
      );
    } catch (error) {
      active?.fail(error);
      throw await this.#refusals.audited(error, scope, query.sql);
    }
  }

  /** Runs a callback in a transaction of the current scope, or in a savepoint when the scope is in one. */
  async transaction<T>(
    binding: Binding,
    options: TransactionOptions,
    callback: (transaction: AmbientTransaction) => Promise<T>,
  ): Promise<T> {
    const scope = currentScope();
    if (!admits(binding, scope)) return this.#refusals.scope(binding, scope);
    const outer = binding.transaction ?? ambientTransaction(scope);
    const own = anySignal(options.signal, scope.signal);
    const signal = anySignal(own, outer?.signal);
    const tenantId = scope.tenant.id;
    try {
      requireRunning(signal, tenantId);
      if (outer !== undefined) {
        outer.assertOpen();
        requireNoCopy(outer);
        requireNoModes(options, tenantId);
        return await this.#spanned(outer.route, 'savepoint', () =>
          outer.lane.savepoint(() => enter(new AmbientTransaction(scope, outer.route, outer.lane, signal), callback)),
        );
      }
      const route = this.#router.cached(tenantId) ?? (await this.#router.route(tenantId, signal));
      if (scope.over) await this.#refusals.scope(binding, scope);
      let called = false;
      const begin = (on: Route): Promise<T> =>
        on.pool.transaction(underGrant(transactionContext(on), scope), { ...options, signal }, (lane) => {
          called = true;
          return enter(new AmbientTransaction(scope, on, lane, signal), callback);
        });
      return await this.#spanned(route, 'transaction', async () => {
        try {
          return await begin(route);
        } catch (error) {
          // A callback may do more than query: once called, only its caller may decide to call it again.
          const other = called ? undefined : await this.#otherRoute(error, route, signal);
          if (other === undefined) throw error;
          return await begin(other);
        }
      });
    } catch (error) {
      throw await this.#refusals.audited(error, scope, 'transaction');
    }
  }

  /**
   * Reads a COPY in a transaction of the scope, or in a savepoint of the one that it is in. Whoever stops reading ends it on the server and
   * rolls it back.
   *
   * @param query as it is told of, with placeholders; `inlined` is the same with literals, since COPY takes no parameters
   */
  async *copy(
    binding: Binding,
    query: CompiledQuery,
    inlined: CompiledQuery,
    options: CopyToOptions,
  ): AsyncGenerator<Uint8Array, void, void> {
    const { signal } = options;
    const held = await HeldTransaction.open((of, callback) => this.transaction(binding, of, callback), { signal });
    const { scope, route, lane } = held.transaction;
    const { schema } = route.placement;
    const told: Statement = { text: copyText(query.textFor(schema), options), params: query.params, rows: 'array', prepare: false };
    const active = this.#telemetry && this.#active(this.#telemetry, route, scope, query, told, true, true);
    const endCopy = beginCopy(held.transaction);
    const rows = scope.grant && new CopyRows(options);
    let done = false;
    try {
      const source = () => lane.copyTo(copyText(inlined.textFor(schema), options), { signal: anySignal(signal, scope.signal) });
      for await (const chunk of held.through(source)) {
        rows?.add(chunk);
        yield chunk;
        const now = currentScope();
        if (!admits(binding, now)) await this.#refusals.scope(binding, now);
      }
      done = true;
      endCopy();
      await held.end(true);
      active?.end({ command: 'COPY' });
    } catch (error) {
      const reason = await held.reason(error);
      active?.fail(reason);
      throw await this.#refusals.audited(reason, scope, query.sql);
    } finally {
      endCopy();
      if (rows !== undefined) scope.grant?.work.add({ command: 'COPY', rowCount: rows.count });
      if (!done) await held.end(false);
      active?.end({ command: 'COPY' });
    }
  }

  async #unit(route: Route, statement: Statement, scope: Scope, raw: boolean, signal: AbortSignal | undefined): Promise<StatementResult> {
    try {
      return await route.pool.run({ context: underGrant(raw ? route.rawContext : route.context, scope), statement }, signal);
    } catch (error) {
      let again: Route | undefined;
      if (error instanceof PlanInvalidatedError) {
        // Nothing of the unit was kept, and a migration invalidates a plan once.
        this.#telemetry?.retried('plan_invalidated');
        again = route;
      } else again = await this.#otherRoute(error, route, signal);
      if (again === undefined) throw error;
      return await again.pool.run({ context: underGrant(raw ? again.rawContext : again.context, scope), statement }, signal);
    }
  }

  /** The tenant's route once more, if nothing was sent and its pool has since been replaced: its login changed while the work was on its way. */
  async #otherRoute(error: unknown, route: Route, signal: AbortSignal | undefined): Promise<Route | undefined> {
    if (!(error instanceof LaneLostError) || error.sent) return undefined;
    const { id } = route.tenant;
    const now = this.#router.cached(id) ?? (await this.#router.route(id, signal));
    // Elsewhere the text would be another: a tenant that was moved meanwhile is for the caller to ask for again.
    if (now.pool === route.pool || now.placement.schema !== route.placement.schema) return undefined;
    this.#telemetry?.retried('login_replaced');
    return now;
  }

  #spanned<T>(route: Route, what: 'transaction' | 'savepoint', work: () => Promise<T>): Promise<T> {
    return this.#telemetry === undefined ? work() : this.#telemetry.transaction(route, what, work);
  }

  #active(
    telemetry: Telemetry,
    place: Route,
    { requestId }: Scope,
    query: CompiledQuery,
    { text, params }: Statement,
    raw: boolean,
    inTransaction: boolean,
  ): ActiveStatement {
    return telemetry.statement({ place, requestId, text, fingerprinted: query.sql, params: params.length, raw, inTransaction });
  }

  /** Maps rows; should they hold encrypted values that compiling did not see, once more with the keys. */
  #mapped<T>(tenantId: string, keys: TenantKeys | undefined, result: StatementResult, map: (result: StatementResult) => T): T | Promise<T> {
    try {
      return withDecryptionKeys(keys, () => map(result));
    } catch (error) {
      if (!(error instanceof KeysNeeded)) throw error;
      return this.#mappedWithKeys(tenantId, result, map);
    }
  }

  async #mappedWithKeys<T>(tenantId: string, result: StatementResult, map: (result: StatementResult) => T): Promise<T> {
    const keys = this.#keys.cached(tenantId) ?? (await this.#keys.load(tenantId));
    return withDecryptionKeys(keys, () => map(result));
  }
}

/** Whether the scope that is open now is the one that the query belongs to. */
function admits(binding: Binding, scope: Scope | undefined): scope is Scope {
  if (scope === undefined || scope.over) return false;
  if (binding.transaction !== undefined) return binding.transaction.tenantId === scope.tenant.id;
  return binding.anyTenant || binding.tenantId === scope.tenant.id;
}

function requireRunning(signal: AbortSignal | undefined, tenantId: string): void {
  if (signal?.aborted !== true) return;
  throw new AbortedError(`Work of tenant ${tenantId} was aborted before it was sent.`, { tenantId, cause: signal.reason });
}

function requireNoModes({ isolationLevel, accessMode, deferrable }: TransactionOptions, tenantId: string): void {
  if (isolationLevel === undefined && accessMode === undefined && deferrable === undefined) return;
  throw new NotSupportedError('A nested transaction is a savepoint and can’t change the isolation level or access mode.', {
    tenantId,
    hint: 'Give them to the outermost transaction.',
  });
}

function enter<T>(transaction: AmbientTransaction, callback: (transaction: AmbientTransaction) => Promise<T>): Promise<T> {
  return transaction.enter(() => callback(transaction));
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
