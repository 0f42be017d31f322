import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto';
import { hkdf } from '../crypto/hkdf.ts';
import { lengthPrefixed } from '../crypto/length-prefixed.ts';
import type { ChainPlace } from './chain-link.ts';
import type { StorableEvent } from './storable-event.ts';

/**
 * The key of one writer's chain: HKDF-SHA-256 of the writer's own secret with `tenancy.audit-chain` and the writer's id as info. A wrapped
 * secret that is moved to another writer's row opens no chain.
 */
export function chainKey(secret: KeyObject, writer: string): KeyObject {
  return hkdf(secret, lengthPrefixed(['tenancy.audit-chain', writer]));
}

/**
 * An entry's MAC: HMAC-SHA-256 over {@link lengthPrefixed} of `tenancy.audit-entry`, writer, place, previous MAC and every field in a fixed
 * order. A field that is absent and one that is empty differ; times are microseconds since 1970, as PostgreSQL keeps them.
 *
 * @param micros the entry's time where it is known to the microsecond; from `event.at` unless told
 */
export function entryMac(key: KeyObject, place: ChainPlace, event: StorableEvent, micros = `${Date.parse(event.at)}000`): string {
  const fields = [
    'tenancy.audit-entry',
    place.writer,
    String(place.seq),
    place.previous,
    event.id,
    micros,
    event.action,
    event.outcome,
    ...[
      event.tenant_id,
      event.target_tenant_id,
      event.actor,
      event.reason,
      event.request_id,
      event.error_code,
      event.statement_fingerprint,
    ].map((value) => (value === null ? '-' : `+${value}`)),
  ];
  // jsonb keeps keys in an order of its own.
  for (const key of Object.keys(event.detail).sort()) fields.push(key, `${typeof event.detail[key]}:${event.detail[key]}`);
  return createHmac('sha256', key).update(lengthPrefixed(fields)).digest('hex');
}

/** Whether a MAC is the entry's, in the same time for every answer. */
export function macMatches(expected: string, found: string): boolean {
  return expected.length === found.length && timingSafeEqual(Buffer.from(expected), Buffer.from(found));
}
