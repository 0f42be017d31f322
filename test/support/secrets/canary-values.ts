import type { people } from './canary-schema.ts';

/** What is written: the same values into encrypted columns over and over, others into plain ones. */
export interface CanaryValues {
  readonly text: string;
  readonly number: number;
  readonly date: Date;
  readonly plain: string;
  readonly plainBytes: Buffer;
}

type Row = typeof people.$inferInsert;

/** A row of them. */
export function rowOf(id: number, { text, number, date, plain, plainBytes }: CanaryValues): Omit<Row, 'tenantId'> {
  return {
    id,
    name: text,
    email: `${text}@${id}.EXAMPLE.ORG`,
    iban: `${text} ${id}`,
    salary: number,
    bornAt: date,
    notes: { [text]: [text, number] },
    scan: Buffer.from(text),
    plain,
    plainBytes,
  };
}
