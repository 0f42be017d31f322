import { randomUUID } from 'node:crypto';
import { integer, text, uuid } from 'drizzle-orm/pg-core';
import { blindIndex } from '../../../src/database/blind-index.ts';
import { encryptedBytes } from '../../../src/database/encrypted-bytes.ts';
import { encryptedDate } from '../../../src/database/encrypted-date.ts';
import { encryptedJson } from '../../../src/database/encrypted-json.ts';
import { encryptedNumber } from '../../../src/database/encrypted-number.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { uniqueWithinTenant } from '../../../src/database/unique-within-tenant.ts';

/** A table whose columns are taken over, one of each kind and one of them bound to its row, beside a bound one whose index is new; as services declare it in either stage. */
export function customersWriting(write: 'plaintext' | 'encrypted') {
  return tenantTable(
    'customers',
    {
      id: uuid('id')
        .$defaultFn(() => randomUUID())
        .notNull(),
      name: text('name').notNull(),
      changes: integer('changes').notNull().default(0),
      note: encryptedText('note_encrypted', { adopt: { from: 'note', write }, pad: 32 }).notNull(),
      email: encryptedText('email_encrypted', { adopt: { from: 'email', write, type: 'varchar(80)' }, index: blindIndex() }),
      credit: encryptedNumber('credit_encrypted', { adopt: { from: 'credit', write, type: 'numeric' } }),
      bornAt: encryptedDate('born_at_encrypted', { adopt: { from: 'born_at', write } }),
      address: encryptedJson<{ readonly city: string }>('address_encrypted', { adopt: { from: 'address', write } }),
      photo: encryptedBytes('photo_encrypted', { adopt: { from: 'photo', write }, boundTo: 'id' }),
      iban: encryptedText('iban', { index: blindIndex({ normalise: 'alphanumeric' }), boundTo: 'id' }),
    },
    (t) => [tenantKey(t.id), uniqueWithinTenant(t.email)],
  );
}

/** What services declare in the second stage. */
export const customers = customersWriting('encrypted');
