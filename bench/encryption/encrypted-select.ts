import assert from 'node:assert/strict';
import { type Compared, compared } from './compared.ts';
import { contactOf, contactTables } from './contact-tables.ts';
import { contactsOfModel, type EncryptionWorld, modelTenant } from './encryption-world.ts';

/** One select of all rows with three encrypted columns, beside the same of rows in plaintext; one caller, in milliseconds. */
export interface EncryptedSelect extends Compared {
  readonly rows: number;
  readonly columns: number;
  readonly rounds: number;
}

const warmUpRounds = 15;

/** @throws the signal's reason once it is aborted */
export async function measureEncryptedSelect({ platform }: EncryptionWorld, rounds: number, signal: AbortSignal): Promise<EncryptedSelect> {
  await using tenancy = await platform.open({ lanes: { maxPerDatabase: 1 } });
  const { contacts, plainContacts } = contactTables;
  const select = async (table: typeof contacts | typeof plainContacts): Promise<readonly { readonly id: number }[]> =>
    await tenancy.run(modelTenant, () => tenancy.db.select().from(table as typeof plainContacts));
  const timed = async (table: typeof contacts | typeof plainContacts): Promise<number> => {
    const startedAt = performance.now();
    await select(table);
    return performance.now() - startedAt;
  };
  for (const table of [contacts, plainContacts]) {
    const rows = [...(await select(table))].sort((one, other) => one.id - other.id).map((row) => ({ ...row }));
    assert.deepEqual(
      rows,
      Array.from({ length: contactsOfModel }, (_, id) => ({ tenantId: modelTenant, ...contactOf(id) })),
    );
  }
  const times: { readonly plain: number; readonly encrypted: number }[] = [];
  for (let round = 0; round < rounds + warmUpRounds; round++) {
    signal.throwIfAborted();
    const tables = round % 2 === 0 ? [contacts, plainContacts] : [plainContacts, contacts];
    const [first, second] = [await timed(tables[0]!), await timed(tables[1]!)];
    if (round >= warmUpRounds) times.push(round % 2 === 0 ? { plain: second, encrypted: first } : { plain: first, encrypted: second });
  }
  return { rows: contactsOfModel, columns: 3, rounds, ...compared(times) };
}
