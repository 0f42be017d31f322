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

/** The tenant of the maintenance context. */
const maintenance = '*';

/** What each text field may hold. None may hold the separator: two contexts could then have one text. */
const forms: Readonly<Record<'keyId' | 'tenantId' | 'database' | 'audience' | 'grant', RegExp>> = {
  keyId: /^[a-z0-9]{1,16}$/,
  tenantId: /^(?:\*|[a-z][a-z0-9-]{0,47})$/,
  database: /^[^:\0]{1,63}$/,
  audience: /^[^:\0]{1,63}$/,
  grant: /^[A-Za-z0-9_-]{0,64}$/,
};

/**
 * Signs a context as the database verifies it: `v1:<key>:<tenant>:<audience>:<expires>:<pid>:<grant>:<mac>`, the MAC being HMAC-SHA-256 over the
 * same fields and the database, which the server fills in itself (DESIGN §3.6).
 *
 * @throws {ConfigurationError} when a field can't be part of a context
 * @example
 * ```ts
 * signContext(key, { keyId: 'k1', tenantId: 'acme', database: 'tenancy_shared', audience: 'tenancy_app', expiresAt, backendPid: 0, grant: '' });
 * ```
 */
export function signContext(key: KeyObject, claims: ContextClaims): string {
  for (const [name, form] of Object.entries(forms)) {
    if (!form.test(claims[name as keyof typeof forms]))
      throw new ConfigurationError(`A signed context can't have this ${name}.`, { hint: `It must match ${form.source}.` });
  }
  for (const name of ['expiresAt', 'backendPid'] as const) {
    if (!Number.isSafeInteger(claims[name]) || claims[name] < 0)
      throw new ConfigurationError(`A signed context can't have this ${name}.`, { hint: 'It is a whole number from 0 on.' });
  }
  const head = `v1:${claims.keyId}:${claims.tenantId}`;
  const tail = `${claims.audience}:${claims.expiresAt}:${claims.backendPid}:${claims.grant}`;
  const mac = createHmac('sha256', key).update(`${head}:${claims.database}:${tail}`).digest('hex');
  return `${head}:${tail}:${mac}`;
}

/** What a {@link ContextSigner} signs with and for. */
export interface ContextSignerOptions {
  readonly key: KeyObject;
  readonly keyId: string;
  readonly database: string;
  readonly audience: string;
  /** How long a context is valid, in seconds; 120 unless told. The server allows 30 s more for clocks that differ. */
  readonly ttlSeconds?: number | undefined;
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined;
}

interface Signed {
  readonly token: string;
  readonly renewAt: number;
}

/** Enough for every lane of a process times its busiest tenants; past that the oldest are signed anew, for microseconds each. */
const maxCached = 4_096;

/**
 * Signs contexts for one login of one database. A token is used again until half its life is over, so that whoever gets one has a
 * minute at least.
 *
 * @example
 * ```ts
 * const signer = new ContextSigner({ key, keyId: 'k1', database: 'tenancy_shared', audience: 'tenancy_app' });
 * await sql`select set_config('tenancy.context', ${signer.sign('acme', backendPid)}, true)`;
 * ```
 */
export class ContextSigner {
  readonly #options: ContextSignerOptions;
  readonly #ttlMs: number;
  readonly #now: () => number;
  readonly #signed = new Map<string, Signed>();

  /** @throws {ConfigurationError} when the life is no positive number of seconds */
  constructor(options: ContextSignerOptions) {
    const ttlSeconds = options.ttlSeconds ?? 120;
    if (!(ttlSeconds > 0 && Number.isFinite(ttlSeconds)))
      throw new ConfigurationError(`A signed context can't be valid for ${ttlSeconds} seconds.`);
    this.#options = Object.freeze({ ...options });
    this.#ttlMs = ttlSeconds * 1_000;
    this.#now = options.now ?? Date.now;
  }

  /**
   * A tenant's context for one backend, or for any when the pid is 0.
   *
   * @param grant the audit entry of the cross-tenant access that it is signed for
   * @throws {ConfigurationError} when one of them can't be part of a context
   */
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

  /** The owner's context for tables that all tenants of a pool share. The database accepts it of its owner's own session only. */
  signMaintenance(backendPid: number): string {
    return this.sign(maintenance, backendPid);
  }
}
