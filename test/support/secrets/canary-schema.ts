import { customType, integer, text } from 'drizzle-orm/pg-core';
import { blindIndex } from '../../../src/database/blind-index.ts';
import { encryptedBytes } from '../../../src/database/encrypted-bytes.ts';
import { encryptedDate } from '../../../src/database/encrypted-date.ts';
import { encryptedJson } from '../../../src/database/encrypted-json.ts';
import { encryptedNumber } from '../../../src/database/encrypted-number.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { uniqueWithinTenant } from '../../../src/database/unique-within-tenant.ts';

const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** Every kind of encrypted column, and beside them plain ones, in which what is looked for must be found. */
export const people = tenantTable(
  'people',
  {
    id: integer('id').notNull(),
    name: encryptedText('name', { pad: 32 }),
    email: encryptedText('email', { index: blindIndex({ normalise: 'case' }) }),
    iban: encryptedText('iban', { index: blindIndex({ normalise: 'alphanumeric', bits: 12 }) }),
    salary: encryptedNumber('salary'),
    bornAt: encryptedDate('born_at'),
    notes: encryptedJson<unknown>('notes'),
    scan: encryptedBytes('scan'),
    plain: text('plain'),
    plainBytes: bytea('plain_bytes'),
  },
  (t) => [tenantKey(t.id), uniqueWithinTenant(t.email)],
);

/** The migration that makes them. */
export const canaryTables = `-- Up Migration
create table people (
  tenant_id text not null, id int not null, name bytea, email bytea, email_index bytea, iban bytea, iban_index bytea, salary bytea,
  born_at bytea, notes bytea, scan bytea, plain text, plain_bytes bytea, primary key (tenant_id, id), unique (tenant_id, email_index),
  check (id < 5000)
);
create index on people (tenant_id, iban_index);
`;
