import type { AuditEntry } from '../audit/audit-event.ts';
import type { Auditor } from '../audit/auditor.ts';
import {
  CrossTenantAccessError,
  DecryptionError,
  NoTenantError,
  PolicyViolationError,
  type TenancyError,
  type TenancyErrorOptions,
  WrongTenantError,
} from '../errors.ts';
import { statementFingerprint } from '../telemetry/statement-fingerprint.ts';
import type { Scope } from '../tenant/scope.ts';
import type { Binding } from './binding.ts';

type Noted = Pick<TenancyErrorOptions, 'auditId' | 'cause'>;

/** Records refusals before they are thrown. A refusal stays one when it can't be recorded: it then names that failure as its cause. */
export class Refusals {
  readonly #auditor: Auditor;

  constructor(auditor: Auditor) {
    this.#auditor = auditor;
  }

  /** Refuses a query whose scope is missing, over or another tenant's. */
  async scope(binding: Binding, scope: Scope | undefined): Promise<never> {
    const own = binding.transaction?.tenantId ?? binding.tenantId;
    if (scope === undefined || (own === undefined && !binding.anyTenant)) return this.#noTenant(own, scope);
    const current = scope.tenant.id;
    const over = scope.over ? ', whose scope had ended' : '';
    const made = own === undefined ? 'A prepared query' : `A query made for tenant ${own}`;
    throw await this.#recorded(
      { action: 'scope.wrong-tenant', tenantId: current, targetTenantId: own, errorCode: 'WRONG_TENANT', requestId: scope.requestId },
      (noted) =>
        new WrongTenantError(`${made} was awaited as tenant ${current}${over}.`, {
          ...noted,
          tenantId: own ?? current,
          currentTenantId: current,
          hint: 'Make and await a query inside the same tenancy.run; use .prepare(name) for one that serves many tenants.',
        }),
    );
  }

  async #noTenant(own: string | undefined, scope: Scope | undefined): Promise<never> {
    const what =
      own === undefined
        ? 'A query made outside any tenant’s scope was awaited'
        : `A query made for tenant ${own} was awaited outside any tenant's scope`;
    throw await this.#recorded(
      { action: 'scope.none', tenantId: own ?? scope?.tenant.id, errorCode: 'NO_TENANT', requestId: scope?.requestId },
      (noted) =>
        new NoTenantError(`${what}.`, {
          ...noted,
          tenantId: own ?? scope?.tenant.id,
          hint: 'Make and await it inside tenancy.run(tenantId, …); outside, a builder may only become .prepare(name), .as() or $with.',
        }),
    );
  }

  /**
   * What to throw for an error that a statement met: refusals that reached for another tenant, and values that did not open, are recorded
   * first, everything else passes as it is.
   */
  async audited(error: unknown, scope: Scope, text: string): Promise<unknown> {
    if (error instanceof CrossTenantAccessError && error.auditId === undefined) {
      const { targetTenantId, hint } = error;
      return this.#recorded(
        { action: 'query.foreign-tenant-id', targetTenantId, errorCode: error.code, ...statement(scope, text) },
        (noted) => new CrossTenantAccessError(bare(error), { ...noted, tenantId: scope.tenant.id, targetTenantId, hint }),
      );
    }
    if (error instanceof PolicyViolationError && error.auditId === undefined) {
      const targetTenantId = /tenancy: tenant [a-z0-9-]+ may not use rows of tenant ([a-z0-9-]+)/.exec(messages(error))?.[1];
      return this.#recorded(
        { action: 'query.policy', targetTenantId, errorCode: error.sqlState, ...statement(scope, text) },
        (noted) =>
          new PolicyViolationError(bare(error), error.failure, { cause: error, ...noted, tenantId: scope.tenant.id, hint: error.hint }),
      );
    }
    if (error instanceof DecryptionError && error.auditId === undefined) {
      return this.#recorded(
        { action: 'key', reason: 'decrypt', errorCode: error.code, ...keyStatement(scope, text) },
        (noted) => new DecryptionError(bare(error), { cause: error, ...noted, tenantId: error.tenantId, hint: error.hint }),
      );
    }
    return error;
  }

  async #recorded(entry: Omit<AuditEntry, 'outcome'>, make: (noted: Noted) => TenancyError): Promise<TenancyError> {
    try {
      return make({ auditId: await this.#auditor.record({ ...entry, outcome: 'refused' }) });
    } catch (cause) {
      return make({ cause });
    }
  }
}

function statement(scope: Scope, text: string): Omit<AuditEntry, 'action' | 'outcome'> {
  return {
    tenantId: scope.tenant.id,
    requestId: scope.requestId,
    actor: scope.grant?.actor,
    reason: scope.grant?.reason,
    statementFingerprint: statementFingerprint(text),
  };
}

/** The same, where the reason says what was refused and not why a cross-tenant access was granted. */
function keyStatement(scope: Scope, text: string): Omit<AuditEntry, 'action' | 'outcome'> {
  const { reason: _, ...rest } = statement(scope, text);
  return rest;
}

/** The message without the hint, which the new error appends again. */
function bare({ message, hint }: TenancyError): string {
  return hint !== undefined && message.endsWith(` ${hint}`) ? message.slice(0, -hint.length - 1) : message;
}

function messages(error: Error): string {
  return error.cause instanceof Error ? `${error.message}\n${error.cause.message}` : error.message;
}
