import type { KeyObject } from 'node:crypto';
import type { Anchor } from '../audit/anchor-sink.ts';
import type { AuditFinding, AuditVerifyReport } from '../audit/audit-finding.ts';
import type { AuditWriter } from '../audit/audit-writer.ts';
import { ChainCheck } from '../audit/chain-check.ts';
import { chainKey } from '../audit/entry-mac.ts';
import { AbortedError, KeyManagerError } from '../errors.ts';
import { auditChainContext } from '../keys/key-context.ts';
import type { KeyManagers } from '../kms/key-managers.ts';
import type { AuditLog } from './audit-log.ts';

const maxFindings = 1_000;
/** How many rows of one chain are looked into by another query: an attacker decides how many there are. */
const maxLookups = 200;

/** Checks the whole audit log: every chain with its key and anchor, what has no chain, and what was there before them. */
export class AuditVerifier {
  readonly #log: AuditLog;
  readonly #managers: KeyManagers;
  readonly #anchors: ReadonlyMap<string, Anchor>;
  readonly #signal: AbortSignal | undefined;
  readonly #findings: AuditFinding[] = [];
  #found = 0;
  #entries = 0;
  /** Entries with a finding: none of them is evidence. */
  readonly #suspect = new Set<string>();

  constructor(parts: {
    readonly log: AuditLog;
    readonly managers: KeyManagers;
    readonly anchors: readonly Anchor[];
    readonly signal?: AbortSignal | undefined;
  }) {
    this.#log = parts.log;
    this.#managers = parts.managers;
    this.#anchors = newestOf(parts.anchors);
    this.#signal = parts.signal;
  }

  /**
   * @throws {KeyManagerError} when a key manager is away or denies the key
   * @throws {AbortedError} when the signal fired
   */
  async run(): Promise<AuditVerifyReport> {
    const writers = await this.#log.writers();
    for (const writer of writers) await this.#chain(writer);
    await this.#unknown(new Set(writers.map(({ id }) => id)));
    for await (const { id, recordedBy } of this.#log.unlinked()) {
      this.#entries++;
      this.#refuseWhenAborted();
      this.#add({
        kind: 'added',
        writer: undefined,
        seq: undefined,
        entryId: id,
        message: `The entry has no link: ${recordedBy} put it there by SQL, or with a release from before the chains.`,
      });
    }
    const beforeChain = await this.#baseline();
    return Object.freeze({
      findings: Object.freeze(this.#findings),
      found: this.#found,
      entries: this.#entries,
      writers: writers.length,
      beforeChain,
      anchors: this.#anchors.size,
      ok: this.#found === 0,
    });
  }

  async #chain(writer: AuditWriter): Promise<void> {
    const secret = await this.#secretOf(writer);
    if (secret === undefined) {
      this.#add({
        kind: 'unverifiable',
        writer: writer.id,
        seq: undefined,
        entryId: undefined,
        message: 'The key of this chain can’t be opened: it was changed, or put there by SQL. Nothing is known about its entries.',
      });
    }
    let lookups = 0;
    const check =
      secret &&
      new ChainCheck({
        key: chainKey(secret, writer.id),
        writer: writer.id,
        anchor: this.#anchors.get(writer.id),
        placeOf: async (mac) => (++lookups > maxLookups ? undefined : await this.#log.placeOf(writer.id, mac)),
      });
    for await (const row of this.#log.chain(writer.id)) {
      this.#entries++;
      this.#refuseWhenAborted();
      for (const finding of (await check?.next(row)) ?? []) this.#add(finding);
    }
    for (const finding of (await check?.end()) ?? []) this.#add(finding);
  }

  /** @returns undefined when what is stored is not what the key manager made */
  async #secretOf(writer: AuditWriter): Promise<KeyObject | undefined> {
    if (!this.#managers.has(writer.provider)) return undefined;
    const { provider, keyRef, keyVersion, wrapped: ciphertext } = writer;
    try {
      return await this.#managers.for(provider).unwrap({ provider, keyRef, keyVersion, ciphertext }, auditChainContext);
    } catch (error) {
      if (error instanceof KeyManagerError && ['invalidCiphertext', 'wrongKey', 'notFound'].includes(error.reason)) return undefined;
      throw error;
    }
  }

  /** Chains of writers that are not registered, and anchored ones of which nothing is left. */
  async #unknown(registered: ReadonlySet<string>): Promise<void> {
    const unknown = await this.#log.unknownWriters();
    for (const { writer, entries, first } of unknown) {
      this.#entries += entries;
      const anchored = this.#anchors.has(writer);
      this.#add({
        kind: anchored ? 'unverifiable' : 'added',
        writer,
        seq: undefined,
        entryId: first,
        message: anchored
          ? `The registration of this writer was removed: its ${entries} entries can’t be checked.`
          : `${entries} entries name a writer that never was registered: they were put there by SQL.`,
      });
    }
    const known = new Set([...registered, ...unknown.map(({ writer }) => writer)]);
    for (const [writer, { seq, at }] of this.#anchors) {
      if (known.has(writer)) continue;
      const message = `The whole chain is missing, though entry ${seq} was anchored at ${at.toISOString()}: removed, or still in its writer's spool.`;
      this.#add({ kind: 'cut', writer, seq: 1, entryId: undefined, message });
    }
  }

  /** What stood there before the chains, compared with what the first sound entry about it says. @returns how many entries it holds */
  async #baseline(): Promise<number> {
    const now = await this.#log.baseline();
    this.#entries += now.entries;
    const then = (await this.#log.sealedBaselines()).find(({ id }) => !this.#suspect.has(id));
    const same = then !== undefined && then.entries === now.entries && then.digest === now.digest;
    if (!same && (then !== undefined || now.entries > 0)) {
      this.#add({
        kind: 'baseline',
        writer: undefined,
        seq: undefined,
        entryId: then?.id,
        message:
          then === undefined
            ? `${now.entries} entries from before the chains are not sealed: run \`tenancy init\`.`
            : `The ${now.entries} entries from before the chains are not the ${then.entries} that were sealed.`,
      });
    }
    return now.entries;
  }

  #add(finding: AuditFinding): void {
    this.#found++;
    if (finding.entryId !== undefined) this.#suspect.add(finding.entryId);
    if (this.#findings.length < maxFindings) this.#findings.push(Object.freeze(finding));
  }

  #refuseWhenAborted(): void {
    if (this.#signal?.aborted !== true) return;
    throw new AbortedError('audit verify was aborted.', {
      cause: this.#signal.reason,
      hint: 'Run it again: nothing is proven about what it did not reach.',
    });
  }
}

function newestOf(anchors: readonly Anchor[]): ReadonlyMap<string, Anchor> {
  const newest = new Map<string, Anchor>();
  for (const anchor of anchors) if (anchor.seq >= (newest.get(anchor.writer)?.seq ?? 0)) newest.set(anchor.writer, anchor);
  return newest;
}
