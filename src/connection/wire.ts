import type { CopyBuffer } from './copy-buffer.ts';
import type { UnitContext } from './lane.ts';
import type { EncodedParameter } from './parameters.ts';
import type { Statement } from './statement.ts';

/** One column of an answer, as the server describes it. */
export interface WireColumn {
  readonly name: string;
  readonly type: number;
}

/** What one statement answered: rows as arrays, their values read as `laneParsers` says. */
export interface WireResult {
  readonly rows: readonly (readonly unknown[])[];
  readonly columns: readonly WireColumn[];
  /** The command tag without its numbers; empty where there was no command. */
  readonly command: string;
  readonly count: number;
}

/** The fields of an ErrorResponse. `message` can hold values: never copied into an error of ours unless its form is known. */
export interface ServerError {
  readonly code: string;
  readonly severity?: string;
  readonly message: string;
  readonly routine?: string;
  readonly schema_name?: string;
  readonly table_name?: string;
  readonly column_name?: string;
  readonly constraint_name?: string;
}

/** What became of one message that didn't succeed. */
export type WireFailure =
  | { readonly kind: 'refused'; readonly error: ServerError }
  /** The plan was invalidated, or the statement isn't prepared any more. It did not run, and nothing sends it again by itself. */
  | { readonly kind: 'plan' }
  /** The connection died; `executed` says whether the message may have been written before. */
  | { readonly kind: 'lost'; readonly executed: boolean };

/** What became of one message. A value rather than an exception: units look at all of theirs before they decide. */
export type WireOutcome = { readonly kind: 'answer'; readonly result: WireResult } | WireFailure;

/** What became of the message, or of the implicit transaction's end, that should keep a unit's work. */
export type EndOutcome = { readonly kind: 'committed' } | { readonly kind: 'rolledBack' } | WireFailure;

/** A unit made ready: nothing of it can fail any more before it is written. */
export interface PreparedUnit {
  readonly context: UnitContext;
  readonly token: string;
  readonly statement: Statement;
  readonly params: readonly EncodedParameter[];
}

/** What became of a unit. The result stands only where `end` says that it was committed. */
export interface UnitAnswer {
  /** The first part of the unit that failed before its end. */
  readonly failed: WireFailure | undefined;
  readonly result: WireResult | undefined;
  readonly end: EndOutcome;
}

/** A COPY … TO STDOUT under way. */
export interface WireCopy {
  /** Its data as it comes; nothing else of the connection is read while it is full, so it must be read to its end, or discarded. */
  readonly data: CopyBuffer;
  /** Settled once the server is done with it. */
  readonly outcome: Promise<WireOutcome>;
}

/**
 * Messages over one connection, in the order in which they were given, until it dies. Every message is settled exactly once. What is
 * given without awaiting in between travels together.
 */
export interface Wire {
  /** Resolves when the connection has ended. */
  readonly ended: Promise<void>;
  /** Also from the moment on in which it was given up: what is sent then is surely not sent. */
  readonly lost: boolean;
  /** How many statements the server keeps prepared without bound; 0 where the wire lets go of them itself. */
  readonly statements: number;
  /** How many cancel requests were made so far: a unit that saw the number change may have been hit by another's. */
  readonly cancels: number;
  /** Pending while a cancel request is under way; nothing new may be sent before, or it could be hit instead. */
  readonly cancelling: Promise<void> | undefined;
  /** Sends text of the lane's own, in the simple protocol: it may hold several commands, of which the first one's result is answered. */
  control(text: string): Promise<WireOutcome>;
  /** Sends one statement with its values apart, in the extended protocol, which refuses a second command in its text. */
  bound(text: string, params: readonly EncodedParameter[], prepare: boolean): Promise<WireOutcome>;
  /** Sends one COPY … TO STDOUT; nothing may be sent before it has ended. Any other COPY ends the connection. */
  copyTo(text: string): WireCopy;
  /**
   * Sends context and statement as one transaction, all or nothing.
   *
   * @param settle called once, at the latest when the connection has died
   * @param onBegan called once the server works on this unit and on nothing before it: a cancel request would hit no other
   */
  unit(unit: PreparedUnit, settle: (answer: UnitAnswer) => void, onBegan?: () => void): void;
  /**
   * Asks the server to cancel what it is running for this lane; does nothing when `stillWanted` says no at the last moment, or when the
   * request can't be made: the statement then takes its time.
   */
  cancel(stillWanted: () => boolean): Promise<void>;
  /** Ends the connection at once; whatever is under way is lost. */
  destroy(): void;
  /** Ends the session in good order. */
  close(): Promise<void>;
}
