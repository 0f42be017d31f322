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

/** What a read begins with: bytes of the one column must not pass for the other's. */
const marks = { plaintext: 0x00, ciphertext: 0x01 } as const;

function markSql(of: keyof typeof marks): string {
  return `pg_catalog.decode('0${marks[of]}', 'hex')`;
}

/** What a read of the two columns brought: one of both. */
export interface AdoptedRead {
  readonly plaintext: Buffer | undefined;
  readonly ciphertext: Buffer;
}

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

  /** SQL for the encrypted value or the plaintext's bytes, each behind its mark. */
  readSql(encrypted: string, of: (column: string) => string): string {
    const plaintext = this.#plain.bytesSql(of(this.column), this.type);
    return `coalesce(${markSql('ciphertext')} || ${encrypted}, ${markSql('plaintext')} || ${plaintext})`;
  }

  /** Takes the mark off. Bytes without one are no plaintext. */
  opened(bytes: Buffer): AdoptedRead {
    const rest = bytes.subarray(1);
    return { plaintext: bytes[0] === marks.plaintext ? rest : undefined, ciphertext: bytes[0] === marks.ciphertext ? rest : bytes };
  }
}
