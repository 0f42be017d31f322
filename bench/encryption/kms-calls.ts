import assert from 'node:assert/strict';
import { eq } from 'drizzle-orm';
import { rounded } from '../result.ts';
import { contactOf, contactTables } from './contact-tables.ts';
import { countedKeyManager } from './counted-key-manager.ts';
import type { EncryptionWorld } from './encryption-world.ts';

/** What queries on encrypted columns ask of the key manager. */
export interface KmsCalls {
  readonly tenants: number;
  /** Calls of the key manager while each tenant made its first query. */
  readonly coldCalls: number;
  /** Queries after that. */
  readonly queries: number;
  readonly seconds: number;
  /** Calls of the key manager during those. */
  readonly warmCalls: number;
  /** How many of them unwrapped keys anew that were in memory: refreshes before their time is over. */
  readonly refreshes: number;
}

const callers = 32;

/**
 * Selects by an encrypted column and reads three, as each tenant in turn, with keys kept as long as they are unless told.
 *
 * @throws the signal's reason once it is aborted
 */
export async function countKmsCalls({ platform, tenantIds }: EncryptionWorld, queries: number, signal: AbortSignal): Promise<KmsCalls> {
  const { manager, taken } = countedKeyManager(platform.keyManagers()[0]!);
  await using tenancy = await platform.open({ kms: manager });
  const { contacts } = contactTables;
  const ask = async (turn: number): Promise<void> => {
    const { id, email, iban } = contactOf(turn % 10);
    const rows = await tenancy.run(tenantIds[turn % tenantIds.length]!, () =>
      tenancy.db.select().from(contacts).where(eq(contacts.email, email)),
    );
    assert.deepEqual([rows.length, rows[0]?.id, rows[0]?.iban], [1, id, iban]);
  };
  taken();
  for (let turn = 0; turn < tenantIds.length; turn++) await ask(turn);
  const coldCalls = sumOf(taken());
  let next = 0;
  const startedAt = performance.now();
  const caller = async (): Promise<void> => {
    while (next < queries) {
      signal.throwIfAborted();
      await ask(next++);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  const seconds = (performance.now() - startedAt) / 1_000;
  const warm = taken();
  // Every tenant's keys were in memory when it began, and there is room for all: whatever is unwrapped now was unwrapped before.
  return {
    tenants: tenantIds.length,
    coldCalls,
    queries,
    seconds: rounded(seconds),
    warmCalls: sumOf(warm),
    refreshes: warm['unwrap'] ?? 0,
  };
}

function sumOf(calls: Readonly<Record<string, number>>): number {
  return Object.values(calls).reduce((sum, count) => sum + count, 0);
}
