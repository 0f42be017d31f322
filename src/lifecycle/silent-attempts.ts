import { createHmac, randomUUID } from 'node:crypto';
import type { AuditEntry } from '../audit/audit-event.ts';
import type { Auditor } from '../audit/auditor.ts';
import { parseQuestionBatch, type QuestionBatch, type SilentQuestion } from '../audit/silent-question.ts';
import type { CatalogClient } from '../catalog/catalog-client.ts';
import { failureCode } from '../catalog/catalog-failure.ts';
import { PlacementStore } from '../catalog/placement-store.ts';
import { QuestionStore, type SealedBatch } from '../catalog/question-store.ts';
import { AbortedError, DecryptionError, TenancyError } from '../errors.ts';
import { silentAttemptContext } from '../keys/key-context.ts';
import { openSecret } from '../keys/sealed-secret.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import type { OwnerAccess } from '../provision/owner-access.ts';
import { type KeyAnswer, probeKeys } from './key-probe.ts';

/** What `auditSilentAttempts` found. Rows that were asked for, however often. */
export interface SilentAttemptReport {
  /** How many rows were asked about; what fell out of a flood's sample is not among them. */
  readonly asked: number;
  /** Those that nobody has. */
  readonly absent: number;
  /** Those that the asking tenant has itself: another condition of its statement did not hold. */
  readonly own: number;
  /** Those that another tenant has, and the asking one has not: attempts. */
  readonly foreign: number;
  /** Those about which nothing could be found out: the tenant was moved, the database is away. */
  readonly unanswered: number;
  /** Batches that no service had sealed: somebody added them by SQL. */
  readonly forged: number;
}

const maxBatches = 20;
/** How many fingerprints, request ids and tenants an entry lists. */
const maxListed = 10;

type Count = { -readonly [K in keyof SilentAttemptReport]: SilentAttemptReport[K] };

export interface SilentAttemptsParts {
  readonly catalog: CatalogClient;
  readonly auditor: Auditor;
  readonly managers: KeyManagers;
  readonly owners: OwnerAccess;
}

interface Group {
  readonly questions: SilentQuestion[];
  seen: number;
}

/**
 * Answers what services asked, in the audit log and nowhere else. There is one entry for each tenant, table and key that was asked about in a
 * run, whatever the answers are: how many entries there come to be, which a server's statistics show to all its logins, says nothing about them.
 */
export class SilentAttempts {
  readonly #parts: SilentAttemptsParts;

  constructor(parts: SilentAttemptsParts) {
    this.#parts = Object.freeze({ ...parts });
  }

  /** @throws {AbortedError} when the signal fired; what was answered before is recorded */
  async run(signal?: AbortSignal): Promise<SilentAttemptReport> {
    const count: Count = { asked: 0, absent: 0, own: 0, foreign: 0, unanswered: 0, forged: 0 };
    while ((await this.#batches(count, signal)) === maxBatches);
    return Object.freeze(count);
  }

  /** Answers some batches; they are gone once every answer is recorded, and another run's before that if this one fails. */
  async #batches(count: Count, signal: AbortSignal | undefined): Promise<number> {
    return await this.#parts.catalog.transaction({ doing: 'answering silent attempts' }, async (session) => {
      const store = new QuestionStore(session);
      const sealed = await store.take(maxBatches);
      if (sealed.length === 0) return 0;
      const batches = (await Promise.all(sealed.map(async (batch) => await this.#opened(batch, count)))).flatMap((batch) => batch ?? []);
      const fingerprints = createFingerprint(await store.fingerprintKey());
      for (const group of grouped(batches)) {
        if (signal?.aborted === true) {
          throw new AbortedError('Answering silent attempts was aborted.', {
            cause: signal.reason,
            hint: 'Run it again for those that remain.',
          });
        }
        await this.#answer(group, fingerprints, count);
      }
      await store.remove(sealed);
      return sealed.length;
    });
  }

  async #opened({ sealed }: SealedBatch, count: Count): Promise<QuestionBatch | undefined> {
    try {
      return parseQuestionBatch(await openSecret(this.#parts.managers, sealed, silentAttemptContext));
    } catch (error) {
      if (error instanceof TenancyError && !(error instanceof DecryptionError)) throw error;
      count.forged++;
      await this.#parts.auditor.record({
        action: 'query.silent',
        outcome: 'failed',
        reason: 'a batch of questions was not a service’s',
        errorCode: 'DECRYPTION',
      });
      return undefined;
    }
  }

  async #answer({ questions, seen }: Group, fingerprint: (question: SilentQuestion) => string, count: Count): Promise<void> {
    const [{ tenantId, clusterId, database, schema, table, columns, primary } = questions[0]!] = questions;
    const { answers, errorCode } = await this.#answers(questions);
    const number = (test: (answer: KeyAnswer | undefined) => boolean): number => answers.filter(test).length;
    const found = questions.filter((_, index) => isAttempt(answers[index]));
    const targets = listed(answers.filter(isAttempt).map((answer) => (answer?.others === 1 ? answer.other : undefined)));
    const counts = {
      asked: questions.length,
      absent: number((answer) => answer?.own === false && answer.others === 0),
      own: number((answer) => answer?.own === true),
      foreign: found.length,
      unanswered: number((answer) => answer === undefined),
    };
    for (const name of ['asked', 'absent', 'own', 'foreign', 'unanswered'] as const) count[name] += counts[name];
    const told = found.length > 0 ? found : questions;
    const [requestIds, statements] = [listed(told.map(({ requestId }) => requestId)), listed(told.map((one) => one.statementFingerprint))];
    const times = told.map(({ at }) => at).sort();
    const entry: AuditEntry = {
      action: 'query.silent',
      outcome: errorCode !== undefined ? 'failed' : found.length > 0 ? 'refused' : 'completed',
      tenantId,
      targetTenantId: targets.length === 1 ? targets[0] : undefined,
      requestId: requestIds.length === 1 ? requestIds[0] : undefined,
      errorCode,
      statementFingerprint: statements.length === 1 ? statements[0] : undefined,
      detail: {
        place: `${clusterId}/${database}/${schema}`,
        table,
        key: columns.join(','),
        primary,
        seen: Math.max(seen, questions.length),
        ...counts,
        firstAt: times[0]!,
        lastAt: times.at(-1)!,
        ...(found.length > 0 ? { fingerprints: listed(found.map(fingerprint)).join(',') } : {}),
        ...(targets.length > 1 ? { targets: targets.join(',') } : {}),
        ...(requestIds.length > 1 ? { requests: requestIds.join(',') } : {}),
        ...(statements.length > 1 ? { statements: statements.join(',') } : {}),
      },
    };
    // Under an id of its own it is not folded with another.
    await this.#parts.auditor.record({ ...entry, id: randomUUID() });
  }

  async #answers(
    questions: readonly SilentQuestion[],
  ): Promise<{ readonly answers: readonly (KeyAnswer | undefined)[]; readonly errorCode?: string }> {
    const nothing = questions.map(() => undefined);
    const [{ tenantId, clusterId, database, schema } = questions[0]!] = questions;
    const placement = await new PlacementStore(this.#parts.catalog).find(tenantId);
    const there =
      placement?.isolation === 'row' && placement.clusterId === clusterId && placement.database === database && placement.schema === schema;
    if (!there) return { answers: nothing, errorCode: 'MOVED' };
    try {
      return { answers: await probeKeys(await this.#parts.owners.of({ clusterId, database }), questions) };
    } catch (error) {
      // One database that is away must not keep the others' answers back, nor come again with every run.
      return { answers: nothing, errorCode: error instanceof TenancyError ? error.code : (failureCode(error) ?? 'UNKNOWN') };
    }
  }
}

/** A row that the tenant has itself too is not what it reached for elsewhere. */
function isAttempt(answer: KeyAnswer | undefined): boolean {
  return answer !== undefined && !answer.own && answer.others > 0;
}

/** Questions of one tenant about one key of one table, in an order that is nobody's choice but the names'. */
function grouped(batches: readonly QuestionBatch[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const { questions, seen } of batches) {
    const kept = new Map<string, number>();
    for (const { tenantId } of questions) kept.set(tenantId, (kept.get(tenantId) ?? 0) + 1);
    for (const question of questions) {
      const { tenantId, clusterId, database, schema, table, columns } = question;
      if (question.values.length !== columns.length) continue;
      const name = JSON.stringify([tenantId, clusterId, database, schema, table, columns]);
      const group = groups.get(name) ?? { questions: [], seen: 0 };
      group.questions.push(question);
      // What a flood's sample stands for, shared evenly among what was kept of it.
      group.seen += (seen[tenantId] ?? 0) / kept.get(tenantId)!;
      groups.set(name, group);
    }
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { questions, seen }]) => ({ questions, seen: Math.round(seen) }));
}

/** An HMAC, so that a key that is short can't be found by trying all; the same key has the same one in every entry. */
function createFingerprint(key: Buffer): (question: SilentQuestion) => string {
  return ({ clusterId, database, schema, table, columns, values }) =>
    createHmac('sha256', key)
      .update(JSON.stringify([clusterId, database, schema, table, columns, values]))
      .digest('hex')
      .slice(0, 16);
}

function listed(values: readonly (string | undefined)[]): readonly string[] {
  return [...new Set(values.filter((value) => value !== undefined))].slice(0, maxListed);
}
