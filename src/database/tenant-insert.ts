import { entityKind, type SQL } from 'drizzle-orm';
import type { IndexColumn, PgInsertConfig, PgSession, PgTable } from 'drizzle-orm/pg-core';
import { EncryptedColumnError } from '../errors.ts';
import { withBoundUpsert } from './bound-values.ts';
import { OpenPgInsert } from './drizzle-internals.ts';
import { EncryptedColumn } from './encrypted-column.ts';
import { encryptedUse } from './encrypted-use.ts';
import { keyColumnOf } from './key-column.ts';
import { tenantIdOf } from './table-kind.ts';
import type { TenantDialect } from './tenant-dialect.ts';
import { TenantIdColumn } from './tenant-id-column.ts';

type Target = IndexColumn | IndexColumn[];

/** An insert whose conflict targets lead with tenant_id, as the unique constraints of tenant tables do. */
export class TenantInsert extends OpenPgInsert {
  static readonly [entityKind]: string = 'TenancyInsert';
  readonly #table: PgTable;
  /** Undefined where they come from a select. */
  readonly #rows: readonly Record<string, unknown>[] | undefined;

  constructor(config: PgInsertConfig, session: PgSession, dialect: TenantDialect) {
    super(config.table, config.values, session, dialect.asPgDialect, config.withList, config.select, config.overridingSystemValue_);
    this.#table = config.table;
    this.#rows = config.select === true ? undefined : (config.values as readonly Record<string, unknown>[]);
  }

  override onConflictDoNothing(config: { target?: Target; where?: SQL } = {}): this {
    return super.onConflictDoNothing(config.target === undefined ? config : { ...config, target: this.#leading(config.target) });
  }

  override onConflictDoUpdate(config: { target: Target; set: Record<string, unknown> }): this {
    const target = this.#leading(config.target);
    return super.onConflictDoUpdate({ ...config, target, set: withBoundUpsert(this.#table, this.#rows, target, config.set) });
  }

  #tagsOf(column: EncryptedColumn): IndexColumn {
    if (column.adoption !== undefined) {
      throw encryptedUse(
        column,
        'be a conflict target while it takes over a plaintext column: rows of before have no tag',
        'Until adopt is taken out, name another key of the table.',
      );
    }
    return keyColumnOf(this.#table, column as never, EncryptedColumnError);
  }

  #leading(target: Target): IndexColumn[] {
    const columns = [target].flat().map((column) => (column instanceof EncryptedColumn ? this.#tagsOf(column) : column));
    return columns.some((column) => column instanceof TenantIdColumn) ? columns : [tenantIdOf(this.#table), ...columns];
  }
}
