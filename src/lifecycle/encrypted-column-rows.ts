import type { Sql, TransactionSql } from 'postgres';
import { type ColumnPlace, columnOverhead, isRowBound, reencryptValue } from '../crypto/column-codec.ts';
import type { TenantKeys } from '../crypto/tenant-keys.ts';
import { CatalogError } from '../errors.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import { qualifiedName } from '../sql/qualified-name.ts';
import { ifReadable } from './if-readable.ts';
import { givenKey, type RowKey, rowKeySql } from './row-key.ts';

/** A `bytea` column of a tenant table, which may hold encrypted values. */
export interface BytesColumn {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  readonly key: RowKey;
}

/** One batch of a column's old values. */
export interface RewrittenBatch {
  /** The primary key of the last row that was looked at; undefined at the end. */
  readonly last: readonly string[] | undefined;
  readonly rewritten: number;
  /** Rows that somebody else had locked or changed meanwhile: for the next pass. */
  readonly left: number;
  /** Values that don't open at their place, and so opened before no better: plain bytes that look alike, moved or changed ones. */
  readonly unreadable: number;
}

/** The columns of a schema's tenant tables that may hold encrypted values. @throws {CatalogError} when such a table has no primary key */
export async function bytesColumns(sql: Sql | TransactionSql, schema: string): Promise<readonly BytesColumn[]> {
  const rows = await sql<{ table: string; column: string; key: { name: string; type: string }[] | null }[]>`
    select c.relname::text as table, a.attname::text as column,
      (
        select pg_catalog.json_agg(json_build_object('name', k.attname, 'type', pg_catalog.format_type(k.atttypid, k.atttypmod)) order by place.n)
        from pg_catalog.pg_index i cross join lateral unnest(i.indkey::int2[]) with ordinality as place (num, n)
          join pg_catalog.pg_attribute k on k.attrelid = c.oid and k.attnum = place.num
        where i.indrelid = c.oid and i.indisprimary and k.attname <> 'tenant_id'
      ) as key
    from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      join pg_catalog.pg_type t on t.oid = a.atttypid
    where n.nspname = ${schema} and c.relkind in ('r', 'p') and not c.relispartition and 'bytea'::regtype in (t.oid, t.typbasetype) and a.attgenerated = ''
      and exists (select from pg_catalog.pg_attribute o where o.attrelid = c.oid and o.attname = 'tenant_id' and not o.attisdropped)
    order by 1, 2`;
  return rows.map(({ table, column, key }) => {
    if (key === null) {
      throw new CatalogError(`The table ${schema}.${table} has no primary key: its rows can't be followed one after the other.`, {
        hint: 'Give it one that begins with tenant_id; `tenancy verify` names all such tables.',
      });
    }
    return Object.freeze({ schema, table, column, key });
  });
}

/** Lets nobody write to a column's table until the transaction ends; waits for those that do. */
export async function lockForCounting(sql: TransactionSql, { schema, table }: BytesColumn): Promise<void> {
  await sql.unsafe(`lock table ${qualifiedName(schema, table)} in share mode`);
}

/** How many values of a column each data key version has, newest last. Values that only look encrypted are counted too. */
export async function valuesByVersion(sql: TransactionSql, tenantId: string, of: BytesColumn): Promise<ReadonlyMap<number, number>> {
  const rows = await sql.unsafe<{ version: string; n: number }[]>(
    `select encode(substring(${quoteIdentifier(of.column)} from 3 for 4), 'hex') as version, count(*)::int as n
    from ${qualifiedName(of.schema, of.table)} where tenant_id = $1 and ${wellFormed(of)} group by 1 order by 1`,
    [tenantId],
  );
  return new Map(rows.map(({ version, n }) => [Number.parseInt(version, 16), n]));
}

/**
 * Encrypts the next rows' values anew with the current version. A value is replaced only if it is still the one that was read, and a row
 * that somebody else holds is left for later: no write is lost, nobody is waited for, so nobody can wait for us in a circle.
 *
 * @param after the primary key of the last row that was looked at; from the first unless given
 */
export async function rewriteBatch(
  sql: TransactionSql,
  keys: TenantKeys,
  of: BytesColumn,
  after: readonly string[] | undefined,
  batchSize: number,
): Promise<RewrittenBatch> {
  const table = qualifiedName(of.schema, of.table);
  const column = quoteIdentifier(of.column);
  const beyond = after === undefined || of.key.length === 0 ? '' : `and ${rowKeySql.beyond(of.key, 4)}`;
  const rows = await sql.unsafe<{ key: string[]; value: Buffer }[]>(
    `select ${rowKeySql.asTexts(of.key)} as key, t.${column} as value
    from ${table} t where t.tenant_id = $1 and ${wellFormed(of, 't.')} and substring(t.${column} from 3 for 4) < $2 ${beyond}
    ${rowKeySql.ordered(of.key)} limit $3`,
    [keys.tenantId, versionBytes(keys.currentVersion), batchSize, ...(beyond === '' ? [] : (after ?? []))],
  );
  let unreadable = 0;
  const given = rows.flatMap(({ key: id, value }) => {
    const renewed = placesOf(of, id, value)
      .map((place) => ifReadable(() => reencryptValue(keys, place, value)))
      .find((bytes) => bytes !== undefined);
    if (renewed === undefined) {
      unreadable += 1;
      return [];
    }
    return [{ ...givenKey(id), old: value.toString('hex'), new: renewed.toString('hex') }];
  });
  let rewritten = 0;
  if (given.length > 0) {
    const same = rowKeySql.same(of.key);
    const result = await sql.unsafe(
      `update ${table} t set ${column} = decode(g.new, 'hex')
      from (
        select g.* from jsonb_to_recordset($1::text::jsonb) as g (${[...rowKeySql.given(of.key), 'old text', 'new text'].join(', ')})
          join ${table} t on ${['t.tenant_id = $2', ...same, `t.${column} = decode(g.old, 'hex')`].join(' and ')}
        for no key update of t skip locked
      ) g
      where ${['t.tenant_id = $2', ...same, `t.${column} = decode(g.old, 'hex')`].join(' and ')}`,
      [JSON.stringify(given), keys.tenantId],
    );
    rewritten = result.count;
  }
  // Without a key of its own there is one row for a tenant at most.
  const last = rows.length < batchSize || of.key.length === 0 ? undefined : rows.at(-1)!.key;
  return { last, rewritten, left: given.length - rewritten, unreadable };
}

/** Where a value may belong. One that is bound to its row has the row's id in the primary key, and opens with no other part of it. */
function placesOf({ table, column }: BytesColumn, key: readonly string[], value: Buffer): readonly ColumnPlace[] {
  return isRowBound(value) ? key.map((rowId) => ({ table, column, rowId })) : [{ table, column }];
}

/** The format's byte with each combination of its flags. */
const beginnings = ['e100', 'e101', 'e102', 'e103'].map((bytes) => `'\\x${bytes}'::bytea`).join(', ');

/** The beginning of every encrypted value (docs/encryption.md, "The stored value"), as SQL. */
function wellFormed({ column }: BytesColumn, of = ''): string {
  const name = `${of}${quoteIdentifier(column)}`;
  return `octet_length(${name}) >= ${columnOverhead} and substring(${name} from 1 for 2) in (${beginnings})`;
}

function versionBytes(version: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(version);
  return bytes;
}
