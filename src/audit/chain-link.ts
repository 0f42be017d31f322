/** Where an audit entry stands in the chain of the process that wrote it. */
export interface ChainLink {
  /** A UUID: one auditor of one process, from its start to its end. */
  readonly writer: string;
  /** Its place in the writer's chain, from 1, without a gap. */
  readonly seq: number;
  /** The MAC of the entry before it, hexadecimal; zeros before the first. */
  readonly previous: string;
  /** HMAC-SHA-256 over the link and every field, hexadecimal. */
  readonly mac: string;
}

/** What stands before a chain's first entry. */
export const chainStart = '0'.repeat(64);

/** What a link is made over: all but the MAC. */
export type ChainPlace = Pick<ChainLink, 'writer' | 'seq' | 'previous'>;
