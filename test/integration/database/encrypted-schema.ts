import { randomUUID } from 'node:crypto';
import { relations } from 'drizzle-orm';
import { bigint, integer, text, uuid, varchar } from 'drizzle-orm/pg-core';
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

export const vaults = tenantTable(
  'vaults',
  {
    id: uuid('id')
      .notNull()
      .$defaultFn(() => randomUUID()),
    teamId: integer('team_id'),
    secret: encryptedText('secret', { boundTo: 'id', pad: 16 }),
    amount: encryptedNumber('amount', { boundTo: 'id' }),
    openedAt: encryptedDate('opened_at', { boundTo: 'id' }),
    profile: encryptedJson<{ readonly city: string }>('profile', { boundTo: 'id' }),
    seal: encryptedBytes('seal', { boundTo: 'id' }),
    iban: encryptedText('iban', { boundTo: 'id', index: blindIndex({ normalise: 'alphanumeric' }) }),
    city: encryptedText('city', { boundTo: 'id', index: blindIndex({ bits: 2 }) }),
    token: encryptedText('token', { boundTo: 'id' }).$defaultFn(() => `token-${++made}`),
    touched: encryptedText('touched', { boundTo: 'id', index: blindIndex() }).$onUpdate(() => `touch-${++made}`),
    free: encryptedText('free'),
  },
  (t) => [tenantKey(t.id), uniqueWithinTenant(t.iban)],
);

export const letters = tenantTable('letters', { id: text('id').notNull(), body: encryptedText('body', { boundTo: 'id' }) }, (t) => [
  tenantKey(t.id),
]);
export const codes = tenantTable(
  'codes',
  { id: varchar('id', { length: 3 }).notNull(), body: encryptedText('body', { boundTo: 'id' }) },
  (t) => [tenantKey(t.id)],
);
export const ledgers = tenantTable(
  'ledgers',
  { id: bigint('id', { mode: 'bigint' }).notNull(), vaultId: uuid('vault_id'), total: encryptedNumber('total', { boundTo: 'id' }) },
  (t) => [tenantKey(t.id)],
);

export const contacts = tenantView('contacts').as((qb) => qb.select().from(vendors));

export const vendorRelations = relations(vendors, ({ many }) => ({ payments: many(payments) }));
export const paymentRelations = relations(payments, ({ one }) => ({
  vendor: one(vendors, { fields: [payments.vendorId], references: [vendors.id] }),
}));

export const teamRelations = relations(teams, ({ many }) => ({ people: many(people), vaults: many(vaults) }));
export const vaultRelations = relations(vaults, ({ one, many }) => ({
  team: one(teams, { fields: [vaults.teamId], references: [teams.id] }),
  ledgers: many(ledgers),
}));
export const ledgerRelations = relations(ledgers, ({ one }) => ({
  vault: one(vaults, { fields: [ledgers.vaultId], references: [vaults.id] }),
}));
export const personRelations = relations(people, ({ one }) => ({ team: one(teams, { fields: [people.teamId], references: [teams.id] }) }));

export const schema = {
  teams,
  people,
  vendors,
  payments,
  vaults,
  letters,
  codes,
  ledgers,
  contacts,
  teamRelations,
  personRelations,
  vendorRelations,
  paymentRelations,
  vaultRelations,
  ledgerRelations,
};
