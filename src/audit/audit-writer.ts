/** What has to be known of a writer before its entries can be checked: its id, and its chain's secret, wrapped by the platform KEK. */
export interface AuditWriter {
  readonly id: string;
  /** The key manager that can open the secret. */
  readonly provider: string;
  readonly keyRef: string;
  readonly keyVersion: string | undefined;
  readonly wrapped: Buffer;
  /** When the writer began, by its own clock. */
  readonly startedAt: Date;
}

/** A writer under the catalog's column names, and one line of a spool. */
export interface StorableWriter {
  readonly id: string;
  readonly provider: string;
  readonly key_ref: string;
  readonly key_version: string | null;
  /** Hexadecimal. */
  readonly wrapped: string;
  readonly started_at: string;
}

export function storableWriter(writer: AuditWriter): StorableWriter {
  return {
    id: writer.id,
    provider: writer.provider,
    key_ref: writer.keyRef,
    key_version: writer.keyVersion ?? null,
    wrapped: writer.wrapped.toString('hex'),
    started_at: writer.startedAt.toISOString(),
  };
}
