import { ConfigurationError } from '../errors.ts';
import { checkIdentifier } from '../sql/identifier.ts';
import type { PlainColumn } from './plaintext-format.ts';

/**
 * An existing column whose plaintext values an encrypted one takes over while services run (docs/encryption.md, "Taking over a plaintext
 * column").
 *
 * @example
 * ```ts
 * note: encryptedText('note_encrypted', { adopt: { from: 'note', write: 'encrypted' } })
 * ```
 */
export interface AdoptOptions {
  /** The existing column's name in the database. */
  readonly from: string;
  /**
   * Where values are written; both columns are read in either case. `plaintext`, in the existing column, as long as a release runs that knows
   * no other; then `encrypted`.
   */
  readonly write: 'plaintext' | 'encrypted';
  /** The existing column's SQL type, such as `varchar(80)`. Unless told: text, double precision, timestamp with time zone, jsonb or bytea. */
  readonly type?: string | undefined;
}

/** @throws {ConfigurationError} when the column's name can't be one, or it isn't said where values are written */
export function checkAdoption({ from, write, type }: AdoptOptions): void {
  if (typeof from !== 'string' || (write !== 'plaintext' && write !== 'encrypted') || (type !== undefined && !/^[\w ,.()"]+$/.test(type))) {
    throw new ConfigurationError('An encrypted column takes over another in a way that is none.', {
      hint: "Write adopt: { from: 'note', write: 'plaintext' }, then 'encrypted'; type, where given, is an SQL type.",
    });
  }
  checkIdentifier(from);
}

/** No encrypted value begins with this byte (docs/encryption.md, "The stored value"). */
const plaintextMark = 0x00;
const plaintextMarkSql = "pg_catalog.decode('00', 'hex')";

/** The column that an encrypted one takes over, and how a value is found in either. */
export class ColumnAdoption {
  /** The name of the column that holds the plaintext. */
  readonly column: string;
  /** Its SQL type. */
  readonly type: string;
  readonly write: 'plaintext' | 'encrypted';
  readonly #plain: PlainColumn;

  constructor({ from, write, type }: AdoptOptions, plain: PlainColumn) {
    this.column = from;
    this.type = type ?? plain.type;
    this.write = write;
    this.#plain = plain;
    Object.freeze(this);
  }

  /** A value as the plaintext column's parameter. */
  toDriver(value: unknown): unknown {
    return this.#plain.toDriver(value);
  }

  /** SQL for the encrypted value, or for the plaintext's bytes behind a mark. */
  readSql(encrypted: string, of: (column: string) => string): string {
    return `coalesce(${encrypted}, ${plaintextMarkSql} || ${this.#plain.bytesSql(of(this.column), this.type)})`;
  }

  /** The plaintext that a read brought from its own column; undefined when it is an encrypted value. */
  plaintextIn(bytes: Buffer): Buffer | undefined {
    return bytes[0] === plaintextMark ? bytes.subarray(1) : undefined;
  }
}
