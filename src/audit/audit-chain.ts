import type { KeyObject } from 'node:crypto';
import type { AuditEvent } from './audit-event.ts';
import type { AuditWriter } from './audit-writer.ts';
import { chainStart } from './chain-link.ts';
import { chainKey, entryMac } from './entry-mac.ts';
import { storableEvent } from './storable-event.ts';

/**
 * One writer's chain: gives every entry its link, in the order of the calls.
 *
 * @example
 * ```ts
 * const linked = chain.append(auditEvent({ action: 'query.policy', outcome: 'refused', tenantId: 'acme' }));
 * ```
 */
export class AuditChain {
  /** Whose chain it is. */
  readonly writer: AuditWriter;
  readonly #key: KeyObject;
  #seq = 0;
  #mac = chainStart;

  /** @param secret the writer's own, 32 bytes; what `writer.wrapped` holds */
  constructor(writer: AuditWriter, secret: KeyObject) {
    this.writer = writer;
    this.#key = chainKey(secret, writer.id);
  }

  append(event: AuditEvent): AuditEvent {
    const place = { writer: this.writer.id, seq: this.#seq + 1, previous: this.#mac };
    const mac = entryMac(this.#key, place, storableEvent(event));
    this.#seq = place.seq;
    this.#mac = mac;
    return Object.freeze({ ...event, link: Object.freeze({ ...place, mac }) });
  }
}
