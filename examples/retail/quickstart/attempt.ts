import { type AuditAction, type AuditEvent, TenancyError } from '@godseye/tenancy';

/** One attempt to reach what is not one's own. */
export interface Attempt {
  readonly name: string;
  /** Succeeds only if the defence fails. */
  readonly act: () => PromiseLike<unknown>;
  /** The error's code that it must meet, and what its audit entry must be. */
  readonly meets: { readonly code: string; readonly action: AuditAction };
  /**
   * Whether this server answers with no row instead of an error, so that nothing reaches the audit log: PostgreSQL before 18 can't refuse
   * raw SQL that names another schema without telling which rows exist.
   */
  readonly quiet?: boolean | undefined;
}

export interface AttemptResult {
  readonly name: string;
  readonly verdict: 'refused' | 'no rows' | 'LEAK' | 'OFF';
  /** What it met. */
  readonly met: string;
  readonly entry: AuditEvent | undefined;
}

type Outcome = { readonly answer: unknown; readonly error?: never } | { readonly error: unknown };

/**
 * Makes the attempts, one after the other, and looks each one's audit entry up in the catalog. Anything but the expected refusal with the
 * expected entry is off.
 *
 * @param readAudit reads the entries of refusals and status changes back from the audit log
 */
export async function runAttempts(
  attempts: readonly Attempt[],
  readAudit: () => Promise<readonly AuditEvent[]>,
): Promise<readonly AttemptResult[]> {
  const outcomes: Outcome[] = [];
  for (const { act } of attempts) {
    outcomes.push(
      await Promise.resolve()
        .then(act)
        .then(
          (answer) => ({ answer }),
          (error: unknown) => ({ error }),
        ),
    );
  }
  const entries = await readAudit();
  return attempts.map((attempt, index) => judge(attempt, outcomes[index]!, entries));
}

/** Whether every attempt was held off. */
export function allHeld(results: readonly AttemptResult[]): boolean {
  return results.length > 0 && results.every(({ verdict }) => verdict === 'refused' || verdict === 'no rows');
}

function judge({ name, meets, quiet }: Attempt, outcome: Outcome, entries: readonly AuditEvent[]): AttemptResult {
  if (!('error' in outcome)) {
    const { answer } = outcome;
    if (quiet === true && isNothing(answer))
      return { name, verdict: 'no rows', met: 'no rows (this server has the quiet policy)', entry: undefined };
    return { name, verdict: 'LEAK', met: 'nothing held it off', entry: undefined };
  }
  const { error } = outcome;
  if (!(error instanceof TenancyError))
    return { name, verdict: 'OFF', met: `not an error of the library: ${shortened(String(error))}`, entry: undefined };
  const found = entries.find(({ id }) => id === error.auditId);
  const met = `${error.code}: ${shortened(error.message)}`;
  const right = error.code === meets.code && found?.action === meets.action && found.outcome === 'refused';
  return { name, verdict: right ? 'refused' : 'OFF', met, entry: found };
}

/** No row read and none written. */
function isNothing(answer: unknown): boolean {
  return Array.isArray(answer) && answer.length === 0 && ((answer as { count?: number }).count ?? 0) === 0;
}

/** The first sentence, without what every refusal of PostgreSQL begins with. */
function shortened(text: string): string {
  const sentence = (/^.*?[.](?=\s|$)/s.exec(text)?.[0] ?? text).replace(
    /^A statement of tenant \S+ was refused by PostgreSQL: (?:tenancy: )?/,
    '',
  );
  return sentence.length > 70 ? `${sentence.slice(0, 69)}…` : sentence;
}
