import { relations } from 'drizzle-orm';
import { integer, text } from 'drizzle-orm/pg-core';
import { encryptedBytes } from '../../../src/database/encrypted-bytes.ts';
import { encryptedDate } from '../../../src/database/encrypted-date.ts';
import { encryptedJson } from '../../../src/database/encrypted-json.ts';
import { encryptedNumber } from '../../../src/database/encrypted-number.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';

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

export const teamRelations = relations(teams, ({ many }) => ({ people: many(people) }));
export const personRelations = relations(people, ({ one }) => ({ team: one(teams, { fields: [people.teamId], references: [teams.id] }) }));

export const schema = { teams, people, teamRelations, personRelations };
