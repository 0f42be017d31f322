import { blindIndex, encryptedText, tenantKey, tenantTable, uniqueWithinTenant } from '@godseye/tenancy';
import { integer, text } from 'drizzle-orm/pg-core';

/** The same rows twice: with three encrypted columns, one of which can be searched, and in plaintext. */
export const contactTables = {
  contacts: tenantTable(
    'contacts',
    {
      id: integer('id').notNull(),
      name: encryptedText('name').notNull(),
      email: encryptedText('email', { index: blindIndex() }).notNull(),
      iban: encryptedText('iban').notNull(),
    },
    (t) => [tenantKey(t.id), uniqueWithinTenant(t.email)],
  ),
  plainContacts: tenantTable(
    'plain_contacts',
    { id: integer('id').notNull(), name: text('name').notNull(), email: text('email').notNull(), iban: text('iban').notNull() },
    (t) => [tenantKey(t.id), uniqueWithinTenant(t.email)],
  ),
};

/** A row that every tenant has. */
export function contactOf(id: number) {
  return {
    id,
    name: `Contact number ${id} of this tenant`,
    email: `contact-${id}@customers.example`,
    iban: `DE89 3704 0044 0532 ${String(id).padStart(4, '0')} 00`,
  };
}
