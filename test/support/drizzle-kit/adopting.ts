import { integer } from 'drizzle-orm/pg-core';
import { blindIndex } from '../../../src/database/blind-index.ts';
import type { AdoptOptions } from '../../../src/database/column-adoption.ts';
import { encryptedDate } from '../../../src/database/encrypted-date.ts';
import { encryptedJson } from '../../../src/database/encrypted-json.ts';
import { encryptedNumber } from '../../../src/database/encrypted-number.ts';
import { encryptedText } from '../../../src/database/encrypted-text.ts';
import { tenantKey } from '../../../src/database/tenant-key.ts';
import { tenantTable } from '../../../src/database/tenant-table.ts';

/** The table of a release that takes its plaintext columns over, or has done so. */
export function patientsThat(write: AdoptOptions['write'] | undefined) {
  const adopt = (from: string, type?: string) => write && { from, write, type };
  return tenantTable(
    'patients',
    {
      id: integer('id').notNull(),
      note: encryptedText('note_encrypted', { adopt: adopt('note') }).notNull(),
      weight: encryptedNumber('weight_encrypted', { adopt: adopt('weight') }),
      seen: encryptedDate('seen_encrypted', { adopt: adopt('seen', 'timestamp') }),
      file: encryptedJson<{ readonly city: string }>('file_encrypted', { adopt: adopt('file') }),
      email: encryptedText('email_encrypted', { adopt: adopt('email'), index: blindIndex() }),
    },
    (t) => [tenantKey(t.id)],
  );
}

export const patients = patientsThat('encrypted');
