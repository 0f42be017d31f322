/**
 * What can be wrong with an audit entry.
 *
 * - `changed`: the entry is not what its writer recorded.
 * - `missing`: entries that came before one that is there were removed.
 * - `cut`: the end of a chain was removed, as an anchor shows.
 * - `reordered`: an entry stands at another place than its own.
 * - `duplicated`: an entry stands there more than once.
 * - `added`: whoever could append, or write to the table, put an entry there that no writer recorded: its link is none or false.
 * - `unverifiable`: the writer's key can't be opened, so that nothing is known about its entries.
 * - `baseline`: what was there before the chains began is not what it was then.
 */
export type AuditFindingKind = 'changed' | 'missing' | 'cut' | 'reordered' | 'duplicated' | 'added' | 'unverifiable' | 'baseline';

/** One thing wrong with the audit log. */
export interface AuditFinding {
  readonly kind: AuditFindingKind;
  /** The chain that it is in; undefined for an entry without a link. */
  readonly writer: string | undefined;
  /** The place in that chain; the first one where several are missing. */
  readonly seq: number | undefined;
  /** The entry's id; undefined where there is none left. */
  readonly entryId: string | undefined;
  /** One sentence for people. Ids and numbers only. */
  readonly message: string;
}

/** What `auditVerify` found. */
export interface AuditVerifyReport {
  /** In the order of writers, and of places within each; those without a chain last. The first 1,000. */
  readonly findings: readonly AuditFinding[];
  /** How many there are in all. */
  readonly found: number;
  /** How many entries were read. */
  readonly entries: number;
  /** How many chains there are. */
  readonly writers: number;
  /** How many entries are older than the chains: their keeping is proven as a whole, by the baseline. */
  readonly beforeChain: number;
  /** How many anchors were compared; without any a tail that was cut off can't be noticed. */
  readonly anchors: number;
  /** Whether nothing was found. */
  readonly ok: boolean;
}
