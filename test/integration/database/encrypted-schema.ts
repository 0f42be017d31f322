import { relations } from 'drizzle-orm';
import { integer, text } from 'drizzle-orm/pg-core';
import { blindIndex } from '../../../src/database/blind-index.ts';
import { encryptedBytes } from '../../../src/database/encrypted-bytes.ts';
import { encryptedDate } from '../../../src/database/encrypted-date.ts';
import { encryptedJson } from '../../../src/database/encrypted-json.ts';
import { encryptedNumber } from '../../../src/database/encrypted-number.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';
import { tenantView } from '../../../src/database/tenant-view.ts';
import { uniqueWithinTenant } from '../../../src/database/unique-within-tenant.ts';

export const teams = tenantTable('teams', { id: integer('id').notNull(), name: text('name').notNull() }, (t) => [tenantKey(t.id)]);

export const people = tenantTable(
  'people',
  {
    id: integer('id').notNull(),
    teamId: integer('team_id'),
    salary: encryptedNumber('salary'),
    bornAt: encryptedDate('born_at'),
    note: encryptedText('note', { pad: 32 }),
    address: encryptedJson<{ readonly city: string }>('address', { pad: 64 }),
    photo: encryptedBytes('photo', { pad: 16 }),
    plain: encryptedText('plain'),
  },
  (t) => [tenantKey(t.id)],
);

let made = 0;

export const vendors = tenantTable(
  'vendors',
  {
    id: integer('id').notNull(),
    iban: encryptedText('iban', { index: blindIndex({ normalise: 'alphanumeric', name: 'iban' }) }),
    email: encryptedText('email', { index: blindIndex({ normalise: 'case' }), pad: 64 }),
    phone: encryptedText({ index: blindIndex({ normalise: 'digits' }) }),
    score: encryptedNumber('score', { index: blindIndex() }),
    since: encryptedDate('since', { index: blindIndex() }),
    seal: encryptedBytes('seal', { index: blindIndex() }),
    city: encryptedText('city', { index: blindIndex({ normalise: 'case', bits: 2 }) }),
    token: encryptedText('token', { index: blindIndex() }).$defaultFn(() => `token-${++made}`),
    touched: encryptedText('touched', { index: blindIndex() }).$onUpdate(() => `touch-${++made}`),
  },
  (t) => [tenantKey(t.id), uniqueWithinTenant(t.iban)],
);

export const payments = tenantTable(
  'payments',
  {
    id: integer('id').notNull(),
    vendorId: integer('vendor_id'),
    payee: encryptedText('payee', { index: blindIndex({ normalise: 'alphanumeric', name: 'iban' }) }),
    other: encryptedText('other', { index: blindIndex({ normalise: 'alphanumeric' }) }),
  },
  (t) => [tenantKey(t.id)],
);

export const contacts = tenantView('contacts').as((qb) => qb.select().from(vendors));

export const vendorRelations = relations(vendors, ({ many }) => ({ payments: many(payments) }));
export const paymentRelations = relations(payments, ({ one }) => ({
  vendor: one(vendors, { fields: [payments.vendorId], references: [vendors.id] }),
}));

export const teamRelations = relations(teams, ({ many }) => ({ people: many(people) }));
export const personRelations = relations(people, ({ one }) => ({ team: one(teams, { fields: [people.teamId], references: [teams.id] }) }));

export const schema = { teams, people, vendors, payments, contacts, teamRelations, personRelations, vendorRelations, paymentRelations };
