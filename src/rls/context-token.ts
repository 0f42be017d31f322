import { createHmac, type KeyObject } from 'node:crypto';
import { ConfigurationError } from '../errors.ts';

/** What a signed context says: which tenant a session is, and for which database, login, time and backend that holds. */
export interface ContextClaims {
  readonly keyId: string;
  /** The tenant's id, or `*` for the owner's maintenance context. */
  readonly tenantId: string;
  readonly database: string;
  /** The login whose sessions may use it. */
  readonly audience: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** The backend that may use it, or 0 behind a pooler, where a lane has none of its own. */
  readonly backendPid: number;
  /** The audit entry of the cross-tenant access under which it was signed; empty otherwise. */
  readonly grant: string;
}

/**
 * Signs a context as `tenancy.current_tenant_id()` verifies it: `v1:<key>:<tenant>:<audience>:<expires>:<pid>:<grant>:<mac>`, the MAC being
 * HMAC-SHA-256 over the same fields and the database, which the server fills in itself.
 *
 * @throws {ConfigurationError} when a field holds the separator: two contexts could then have one text
 */
export function signContext(key: KeyObject, claims: ContextClaims): string {
  const { keyId, tenantId, database, audience, grant } = claims;
  for (const [name, field] of Object.entries({ keyId, tenantId, database, audience, grant })) {
    if (field.includes(':')) throw new ConfigurationError(`A context's ${name} can't hold a colon.`);
  }
  const rest = `${audience}:${claims.expiresAt}:${claims.backendPid}:${grant}`;
  const mac = createHmac('sha256', key).update(`v1:${keyId}:${tenantId}:${database}:${rest}`).digest('hex');
  return `v1:${keyId}:${tenantId}:${rest}:${mac}`;
}

/** What a {@link ContextSigner} signs with and for. */
export interface ContextSignerOptions {
  readonly key: KeyObject;
  readonly keyId: string;
  readonly database: string;
  readonly audience: string;
  /** How long a context is valid, in seconds; 120 unless told. */
  readonly ttlSeconds?: number | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
}

interface Signed { readonly token: string; readonly renewAt: number }

/** Enough for every lane of a process times its busiest tenants; past that the oldest are signed anew, for microseconds each. */
const maxCached = 4_096;

/** Signs contexts for one login of one database. A token is used again until half its life is over. */
export class ContextSigner {
  readonly #options: ContextSignerOptions;
  readonly #ttlMs: number;
  readonly #now: () => number;
  readonly #signed = new Map<string, Signed>();

  constructor(options: ContextSignerOptions) {
    this.#options = options;
    this.#ttlMs = (options.ttlSeconds ?? 120) * 1_000;
    this.#now = options.now ?? Date.now;
  }

  /** A tenant's context for one backend, or for any when the pid is 0. */
  sign(tenantId: string, backendPid: number, grant = ''): string {
    const now = this.#now();
    const name = `${tenantId}:${backendPid}:${grant}`;
    const known = this.#signed.get(name);
    if (known !== undefined && now < known.renewAt) return known.token;
    const { key, keyId, database, audience } = this.#options;
    const expiresAt = Math.ceil((now + this.#ttlMs) / 1_000);
    const token = signContext(key, { keyId, tenantId, database, audience, expiresAt, backendPid, grant });
    this.#signed.delete(name);
    if (this.#signed.size >= maxCached) this.#signed.delete(this.#signed.keys().next().value as string);
    this.#signed.set(name, { token, renewAt: now + this.#ttlMs / 2 });
    return token;
  }

  /** The owner's context for tables that all tenants of a pool share. Only a signer whose audience is the owner makes one that holds. */
  signMaintenance(backendPid: number): string {
    return this.sign('*', backendPid);
  }
}
