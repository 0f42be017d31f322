import type { AnchorSink } from '../audit/anchor-sink.ts';
import type { AuditSink } from '../audit/audit-sink.ts';
import { Auditor, type AuditorOptions } from '../audit/auditor.ts';
import type { CatalogSession } from '../catalog/catalog-session.ts';
import { KeyStore } from '../catalog/key-store.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import { openAuditChain } from './open-audit-chain.ts';
import { PostgresAuditSink } from './postgres-audit-sink.ts';
import { QuestionBox, type SilentAttemptOptions } from './question-box.ts';
import { SpooledAuditSink } from './spooled-audit-sink.ts';

/** Where a service's audit entries go, beside the catalog's audit log; docs/audit.md tells what each choice means. */
export interface AuditOptions {
  /**
   * Sinks beside the catalog's audit log; an entry counts as kept when every required one of them kept it. `close` closes them too.
   */
  readonly sinks?: readonly AuditSink[] | undefined;
  /** Where entries survive an outage of the catalog. Without it nothing that must be recorded is done during one. */
  readonly spool?:
    | {
        /** A directory on a durable disk, for this platform's audit alone; made when it is missing. Processes may share it. */
        readonly directory: string;
        /** How large this process's file may grow, in bytes; 256 MiB unless told. Once full it is as without a spool. */
        readonly maxBytes?: number | undefined;
      }
    | undefined;
  /** Where the chain's head is anchored, so that a tail that is cut off the audit log is missed. `close` closes them too. */
  readonly anchors?: readonly AnchorSink[] | undefined;
  /** How often, in milliseconds; 5,000 unless told. */
  readonly anchorEveryMs?: number | undefined;
  /** How many entries may wait for a sink; 10,000 unless told. When one more comes, its reporter waits for room. */
  readonly maxQueue?: number | undefined;
  /** How long a sink may take for one write, and an entry wait for room, in milliseconds; 10,000 unless told. */
  readonly timeoutMs?: number | undefined;
  /** How long refusals that repeat are gathered into one entry, in milliseconds; 250 unless told, 0 for not at all. */
  readonly foldMs?: number | undefined;
  /**
   * Whether to find out which rows that a statement named by a key, and did not get, are another tenant's: `true`, or how. Off unless told.
   * It concerns tenants of `row` isolation; the control plane answers (docs/audit.md, "Silent attempts").
   */
  readonly silentAttempts?: boolean | SilentAttemptOptions | undefined;
  /**
   * Hears of failures that nobody waits for: of sinks that are not required, of anchors, of the spool and of silent attempts. Must not
   * throw.
   */
  readonly onSinkError?: ((error: unknown, sink: string) => void) | undefined;
}

/**
 * Wires a service's auditor: the catalog's audit log, behind a spool where there is one, further sinks, anchors, and a chain of its own.
 *
 * @param onRefusal hears of every refusal, also of one that no sink could keep
 */
export function serviceAuditor(
  options: AuditOptions = {},
  session: CatalogSession,
  managers: KeyManagers,
  onRefusal?: AuditorOptions['onRefusal'],
): Auditor {
  const { sinks = [], spool, silentAttempts: _, ...rest } = options;
  const log = new PostgresAuditSink({ session });
  // Before the auditor loses its patience with the sink, the sink must have lost its own with the catalog.
  const patienceMs = Math.min(3_000, (options.timeoutMs ?? 10_000) / 3);
  const first = spool === undefined ? log : new SpooledAuditSink({ ...spool, inner: log, patienceMs, onError: options.onSinkError });
  const auditor = new Auditor([first, ...sinks], {
    ...rest,
    onRefusal,
    openChain: async () => await openAuditChain({ store: new KeyStore(session), managers }),
  });
  auditor.prepare();
  return auditor;
}

/** Wires what asks about silent attempts; undefined where nobody wants to know. */
export function silentQuestions(
  { silentAttempts = false, onSinkError }: AuditOptions = {},
  session: CatalogSession,
  managers: KeyManagers,
): QuestionBox | undefined {
  if (silentAttempts === false) return undefined;
  const options = silentAttempts === true ? {} : silentAttempts;
  return new QuestionBox({ ...options, session, managers, onError: (error) => onSinkError?.(error, 'silent-attempts') });
}
