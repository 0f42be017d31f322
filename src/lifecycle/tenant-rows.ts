import type { Sql, TransactionSql } from 'postgres';
import type { Placement } from '../catalog/placement.ts';
import { withClient } from '../provision/admin-client.ts';
import type { OwnerAccess } from '../provision/owner-access.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import { inTransaction } from '../sql/transaction.ts';
import { type BytesColumn, bytesColumns, valuesByVersion } from './encrypted-column-rows.ts';

/** A session on one tenant's rows. */
export interface RowsSession {
  /** The columns that may hold encrypted values. */
  columns(): Promise<readonly BytesColumn[]>;
  /** How many values of a column each data key version has. */
  values(of: BytesColumn): Promise<ReadonlyMap<number, number>>;
  /** One transaction under the tenant's context. */
  transaction<T>(work: (sql: TransactionSql) => Promise<T>): Promise<T>;
  /** One transaction on the whole schema: in a pool every tenant's rows are seen. */
  schemaTransaction<T>(work: (sql: TransactionSql) => Promise<T>): Promise<T>;
  /** The session outside of transactions, for the system catalogs. */
  readonly catalogs: Sql;
}

/** The way to one tenant's rows for work on what they are encrypted with: as the owner, under the tenant's signed context. */
export class TenantRows {
  readonly #owners: OwnerAccess;
  readonly #placement: Placement;

  constructor(owners: OwnerAccess, placement: Placement) {
    this.#owners = owners;
    this.#placement = placement;
  }

  async session<T>(work: (rows: RowsSession) => Promise<T>): Promise<T> {
    const owner = await this.#owners.of(this.#placement);
    const { tenantId, schema, isolation } = this.#placement;
    return await withClient(owner.url, async (sql: Sql) => {
      const under = async <R>(sign: (pid: number) => string, run: (sql: TransactionSql) => Promise<R>): Promise<R> =>
        await inTransaction(sql, async (inner) => {
          const [backend] = await inner<{ pid: number }[]>`select pg_catalog.pg_backend_pid() as pid`;
          await inner`
            select set_config('tenancy.context', ${sign(backend!.pid)}, true),
              set_config('search_path', ${`${quoteIdentifier(schema)}, "reference", "extensions", pg_temp`}, true),
              set_config('row_security', 'on', true), set_config('lock_timeout', '5000', true), set_config('statement_timeout', '600000', true),
              set_config('datestyle', 'ISO, YMD', true), set_config('intervalstyle', 'postgres', true), set_config('extra_float_digits', '1', true)`;
          return await run(inner);
        });
      const asTenant = (pid: number): string => owner.signer.sign(tenantId, pid);
      const asOwner = (pid: number): string => owner.signer.signMaintenance(pid);
      const transaction = async <R>(run: (inner: TransactionSql) => Promise<R>): Promise<R> => await under(asTenant, run);
      return await work({
        catalogs: sql,
        columns: async () => await bytesColumns(sql, schema),
        values: async (of) => await transaction(async (inner) => await valuesByVersion(inner, tenantId, of)),
        transaction,
        schemaTransaction: async (run) => await under(isolation === 'row' ? asOwner : asTenant, run),
      });
    });
  }
}
