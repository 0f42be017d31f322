import { z } from 'zod';

const name = z.string().min(1).max(63);

const question = z.object({
  /** When it came back with nothing, by the service's clock. */
  at: z.string(),
  /** In whose scope. */
  tenantId: z.string(),
  requestId: z.string().optional(),
  statementFingerprint: z.string(),
  clusterId: z.string(),
  database: name,
  schema: name,
  table: name,
  /** The key's columns without tenant_id. */
  columns: z.array(name).min(1).max(32),
  /** Whether it is the primary key. */
  primary: z.boolean(),
  /** The values that the columns were compared with, as PostgreSQL reads them from text. */
  values: z.array(z.string()),
});

const batch = z.object({
  questions: z.array(question),
  /** How many rows were asked for in vain, by tenant: more than there are questions where a flood was sampled. */
  seen: z.record(z.string(), z.number().int().nonnegative()),
  /** How many more there were, of tenants that found no room in the sample. */
  missed: z.number().int().nonnegative(),
});

/** A row that a statement named by its key and that was not there for its tenant. Holds the key's values: it travels and waits sealed. */
export type SilentQuestion = Readonly<z.infer<typeof question>>;

/** What one process noticed within some seconds. */
export type QuestionBatch = Readonly<z.infer<typeof batch>>;

/** @throws {Error} when it is no batch */
export function parseQuestionBatch(json: string): QuestionBatch {
  return batch.parse(JSON.parse(json));
}
