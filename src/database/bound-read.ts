const lengthBytes = 4;

/** SQL for what {@link boundRead} takes apart. */
export function boundReadSql(id: string, stored: string): string {
  const bytes = `pg_catalog.convert_to(${id}::pg_catalog.text, 'UTF8')`;
  return `(pg_catalog.int4send(pg_catalog.octet_length(${bytes})) || ${bytes} || ${stored})`;
}

/** A bound column's value as it is read: the row's id beside the ciphertext. */
export interface BoundRead {
  readonly rowId: string;
  /** The ciphertext, as the row has it. */
  readonly stored: Buffer;
}

/**
 * Takes a bound column's read apart: the length of the row's id in bytes (i32, big-endian), the id, the ciphertext. PostgreSQL puts these
 * together from the row itself, so nothing that is stored in either can move the border between them. Of bytes that are no such read, a
 * ciphertext alone for one, the id is empty, and nothing opens with that.
 */
export function boundRead(bytes: Buffer): BoundRead {
  const length = bytes.byteLength < lengthBytes ? -1 : bytes.readInt32BE();
  const end = lengthBytes + length;
  if (length < 0 || end > bytes.byteLength) return { rowId: '', stored: bytes };
  return { rowId: bytes.toString('utf8', lengthBytes, end), stored: bytes.subarray(end) };
}
