import { is, Param, Placeholder } from 'drizzle-orm';
import { blindTag } from '../crypto/blind-tag.ts';
import { encryptValue } from '../crypto/column-codec.ts';
import type { TenantKeys } from '../crypto/tenant-keys.ts';
import { ConfigurationError, CrossTenantAccessError } from '../errors.ts';
import { BoundValue } from './bound-value.ts';
import { BlindIndexValue, ComputedTenantId, Deferred, EncryptedValue, ExecutingTenantId, GivenTenantId } from './deferred.ts';

/**
 * Turns a compiled statement's parameters into what the driver takes, for one tenant: placeholders are filled, given tenant ids
 * checked, encrypted values encrypted and their tags made.
 *
 * @throws {CrossTenantAccessError} when a given tenant id is not the executing tenant's
 * @throws {ConfigurationError} when a placeholder has no value
 */
export function resolveParams(
  params: readonly unknown[],
  values: Record<string, unknown>,
  tenantId: string,
  keys: TenantKeys | undefined,
): unknown[] {
  const resolved = new Array<unknown>(params.length);
  for (let index = 0; index < params.length; index++) {
    const param = params[index];
    // Most are the executing tenant's id or plain values: those must not pay for what placeholders need.
    if (typeof param !== 'object' || param === null) resolved[index] = param;
    else if (param instanceof ExecutingTenantId) resolved[index] = tenantId;
    else resolved[index] = resolve(param instanceof Deferred ? param : filled(param, values), tenantId, keys);
  }
  return resolved;
}

/** A parameter with its placeholder's value in it, not yet any tenant's. */
export function filled(param: unknown, values: Record<string, unknown>): unknown {
  if (is(param, Placeholder)) return valueFor(param, values);
  if (!is(param, Param)) return param;
  if (is(param.value, Placeholder)) {
    const value = valueFor(param.value, values);
    return value === null ? null : param.encoder.mapToDriverValue(value);
  }
  if (param.value instanceof BoundValue) {
    const bound = param.value.filled((placeholder) => valueFor(placeholder, values));
    return bound.value === null ? null : param.encoder.mapToDriverValue(bound);
  }
  return param;
}

function valueFor(placeholder: Placeholder, values: Record<string, unknown>): unknown {
  if (!Object.hasOwn(values, placeholder.name)) {
    throw new ConfigurationError(`The placeholder "${placeholder.name}" was given no value.`, { hint: 'Pass it to execute({ … }).' });
  }
  return values[placeholder.name];
}

function resolve(param: unknown, tenantId: string, keys: TenantKeys | undefined): unknown {
  if (typeof param !== 'object' || param === null) return param;
  if (param instanceof ExecutingTenantId) return tenantId;
  if (param instanceof GivenTenantId) return checkedTenantId(param.value, tenantId);
  if (param instanceof ComputedTenantId) throw foreign(tenantId, 'A query computes tenant_id in SQL', undefined);
  if (param instanceof EncryptedValue) return encryptValue(keys as TenantKeys, param.place, param.plaintext, param.padTo);
  if (param instanceof BlindIndexValue) return blindTag(keys as TenantKeys, param.definition, param.plaintext);
  if (Array.isArray(param)) return param.map((element) => resolve(element, tenantId, keys));
  return param;
}

function checkedTenantId(given: unknown, tenantId: string): string {
  if (given === tenantId) return tenantId;
  // Anything else than an id's shape may be a value that belongs in no message.
  if (typeof given === 'string' && /^[a-z][a-z0-9-]{0,47}$/.test(given)) throw foreign(tenantId, `A query names tenant ${given}`, given);
  throw foreign(tenantId, 'A query gives a tenant_id that is no tenant’s', undefined);
}

function foreign(tenantId: string, what: string, targetTenantId: string | undefined): CrossTenantAccessError {
  return new CrossTenantAccessError(`${what} in the scope of tenant ${tenantId}.`, {
    tenantId,
    targetTenantId,
    hint: 'Leave tenant_id out: the library writes it. For work on another tenant use tenancy.acrossTenants.',
  });
}
