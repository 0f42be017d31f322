import type { KeyObject } from 'node:crypto';
import type { Anchor } from './anchor-sink.ts';
import type { AuditFinding, AuditFindingKind } from './audit-finding.ts';
import { type ChainLink, chainStart } from './chain-link.ts';
import { entryMac, macMatches } from './entry-mac.ts';
import type { StorableEvent } from './storable-event.ts';

/** One row of a chain as the log has it. */
export interface ChainRow {
  readonly event: StorableEvent;
  readonly link: ChainLink;
  /** Microseconds since 1970. */
  readonly micros: string;
  /** Where it stands in the whole log: arrival's order. */
  readonly arrival: bigint;
}

export interface ChainCheckOptions {
  readonly key: KeyObject;
  readonly writer: string;
  /** The newest anchor of this writer. */
  readonly anchor?: Anchor | undefined;
  /** The place at which the log has an entry of this writer with this MAC. */
  readonly placeOf: (mac: string) => Promise<number | undefined>;
}

/** How many doubtful rows are held at a time: rows of places that never were must not pile up. */
const maxDoubtful = 100;

/**
 * Walks one writer's rows in the order of their places and tells what is wrong with them. Only rows whose MAC is true are evidence for
 * anything else; the others wait until the next true one tells whether they were links of the chain.
 */
export class ChainCheck {
  readonly #options: ChainCheckOptions;
  #last = { seq: 0, mac: chainStart, arrival: -1n };
  /** Places behind the last true row whose entry is there, though not as it was. */
  readonly #taken = new Set<number>();
  #doubtful: ChainRow[] = [];

  constructor(options: ChainCheckOptions) {
    this.#options = options;
  }

  /** Takes the next row. @returns what is known to be wrong by now */
  async next(row: ChainRow): Promise<readonly AuditFinding[]> {
    const { link, event, arrival } = row;
    const last = this.#last;
    if (!this.#isTrue(row)) {
      this.#doubtful.push(row);
      return this.#doubtful.length < maxDoubtful ? [] : await this.#judge(undefined);
    }
    if (link.seq === last.seq) {
      const what = last.mac === link.mac ? 'stands there twice' : 'is there twice, signed with the same key';
      return [this.#finding('duplicated', link.seq, event.id, `Entry ${link.seq} ${what}.`)];
    }
    const found = [...(await this.#judge(link.previous))];
    for (const [from, to] of this.#gaps(link.seq - 1)) {
      found.push(this.#finding('missing', from, undefined, `${range(from, to)}: removed, or refused by the catalog when it arrived.`));
    }
    if (link.seq === last.seq + 1 && link.previous !== last.mac) {
      found.push(this.#finding('changed', link.seq, event.id, `Entry ${link.seq} does not continue the one before it.`));
    }
    if (arrival < last.arrival) {
      found.push(this.#finding('reordered', link.seq, event.id, `Entry ${link.seq} stands before entry ${last.seq} in the log.`));
    }
    if (this.#options.anchor?.seq === link.seq && this.#options.anchor.mac !== link.mac) {
      const message = `Entry ${link.seq} is not the one that was anchored: the chain was written anew with its key.`;
      found.push(this.#finding('changed', link.seq, event.id, message));
    }
    this.#last = { seq: link.seq, mac: link.mac, arrival };
    this.#taken.clear();
    return found;
  }

  /** After the last row. */
  async end(): Promise<readonly AuditFinding[]> {
    const found = [...(await this.#judge(undefined))];
    const { anchor } = this.#options;
    if (anchor === undefined || anchor.seq <= this.#last.seq) return found;
    for (const [from, to] of this.#gaps(anchor.seq)) {
      const message = `${range(from, to)} at the end of the chain, though entry ${anchor.seq} was anchored at ${anchor.at.toISOString()}: cut off, or still in its writer's spool.`;
      found.push(this.#finding('cut', from, undefined, message));
    }
    return found;
  }

  #isTrue({ link, event, micros }: ChainRow, seq = link.seq): boolean {
    const place = { writer: this.#options.writer, seq, previous: link.previous };
    return macMatches(entryMac(this.#options.key, place, event, micros), link.mac);
  }

  /** Rows whose MAC is not theirs: changed, moved, copied or never recorded. @param following the MAC that the next true row stands on */
  async #judge(following: string | undefined): Promise<readonly AuditFinding[]> {
    const run = this.#doubtful;
    this.#doubtful = [];
    const found: AuditFinding[] = [];
    for (const row of run) {
      const { seq } = row.link;
      const own = await this.#ownPlace(row, run);
      if (own !== undefined) {
        this.#taken.add(seq);
        found.push(this.#finding('reordered', seq, row.event.id, `Entry ${own} stands at place ${seq}.`));
      } else if (seq !== this.#last.seq && this.#isLinked(row, run, following)) {
        this.#taken.add(seq);
        found.push(this.#finding('changed', seq, row.event.id, `Entry ${seq} was changed after it was recorded.`));
      } else if (await this.#isCopy(row)) {
        found.push(this.#finding('duplicated', seq, row.event.id, `A copy of another entry's link stands at place ${seq}.`));
      } else {
        const message = `What stands at place ${seq} was recorded by no writer: it was put there by SQL.`;
        found.push(this.#finding('added', seq, row.event.id, message));
      }
    }
    return found;
  }

  /** The place for which a row's MAC is true, where there is one: behind the entry that it continues, or with one that it was swapped with. */
  async #ownPlace(row: ChainRow, run: readonly ChainRow[]): Promise<number | undefined> {
    const { seq, previous } = row.link;
    const before = previous === chainStart ? 0 : await this.#options.placeOf(previous);
    const candidates = new Set([...run.map(({ link }) => link.seq), ...(before === undefined ? [] : [before + 1])]);
    for (const place of candidates) if (place !== seq && this.#isTrue(row, place)) return place;
    return undefined;
  }

  /** Whether its neighbours know it: whoever can't read the log can't make a row of which that is so. */
  #isLinked({ link }: ChainRow, run: readonly ChainRow[], following: string | undefined): boolean {
    if (link.mac === following || link.previous === this.#last.mac) return true;
    return run.some((other) => other.link.mac === link.previous || other.link.previous === link.mac);
  }

  async #isCopy({ link }: ChainRow): Promise<boolean> {
    if (link.mac === this.#last.mac) return true;
    const place = await this.#options.placeOf(link.mac);
    return place !== undefined && place !== link.seq;
  }

  /** The runs of places up to one that nothing stands at, from the last true row on. */
  #gaps(to: number): readonly (readonly [number, number])[] {
    const runs: [number, number][] = [];
    let start = this.#last.seq + 1;
    for (const place of [...this.#taken].filter((each) => each >= start && each <= to).sort((a, b) => a - b)) {
      if (place > start) runs.push([start, place - 1]);
      start = place + 1;
    }
    if (start <= to) runs.push([start, to]);
    return runs;
  }

  #finding(kind: AuditFindingKind, seq: number, entryId: string | undefined, message: string): AuditFinding {
    return Object.freeze({ kind, writer: this.#options.writer, seq, entryId, message });
  }
}

function range(from: number, to: number): string {
  return from === to ? `Entry ${from} is missing` : `Entries ${from} to ${to} are missing`;
}
