import type { TransactionSql } from 'postgres';
import { quoteIdentifier } from '../sql/identifier.ts';
import { qualifiedName } from '../sql/qualified-name.ts';
import type { ColumnStatus } from './column-reports.ts';
import type { LocatedSite } from './located-site.ts';
import { givenKey, rowKeySql } from './row-key.ts';

/** A row that wants something: its plaintext encrypted, or its ciphertext given a tag. */
export interface WantingRow {
  /** Its primary key without tenant_id, each part as text. */
  readonly key: readonly string[];
  /** The transaction that made this version of the row: whoever changes the row makes another. */
  readonly version: string;
  /** The id that its values are bound to it by; null where they are not. */
  readonly rowId: string | null;
  /** Its plaintext as the codec takes it. With `stored` null too, it is one that the encrypted column can't hold. */
  readonly plaintext: Buffer | null;
  /** Its ciphertext, when it lacks nothing but the tag. */
  readonly stored: Buffer | null;
}

/** What a row gets. */
export interface FilledRow {
  readonly key: readonly string[];
  readonly version: string;
  /** Takes the plaintext's place. */
  readonly ciphertext: Buffer | undefined;
  readonly tag: Buffer | undefined;
}

/** How many of one tenant's rows are how far. In a transaction that sees a whole pool they are all of its tenants'. */
export async function countRows(
  sql: TransactionSql,
  site: LocatedSite,
  tenantId: string | undefined,
): Promise<Pick<ColumnStatus, 'plaintext' | 'encrypted' | 'untagged'>> {
  const { plain, stored, untagged } = conditions(site);
  const [row] = await sql.unsafe<{ plaintext: string; encrypted: string; untagged: string }[]>(
    `select count(*) filter (where ${plain}) as plaintext, count(*) filter (where ${stored}) as encrypted, count(*) filter (where ${untagged}) as untagged
    from ${qualifiedName(site.schema, site.table)} t${tenantId === undefined ? '' : ' where t.tenant_id = $1'}`,
    tenantId === undefined ? [] : [tenantId],
  );
  return { plaintext: Number(row!.plaintext), encrypted: Number(row!.encrypted), untagged: Number(row!.untagged) };
}

/**
 * The next rows that want something. Nothing is locked.
 *
 * @param after the primary key of the last row that was looked at; from the first unless given
 */
export async function readWanting(
  sql: TransactionSql,
  site: LocatedSite,
  tenantId: string,
  after: readonly string[] | undefined,
  limit: number,
): Promise<readonly WantingRow[]> {
  const { plain, untagged } = conditions(site);
  const beyond = after === undefined ? '' : `and ${rowKeySql.beyond(site.key, 3)}`;
  const { adoption, format, name, rowIdColumn } = site.column;
  const from = adoption && `t.${quoteIdentifier(adoption.column)}`;
  const bytes =
    adoption &&
    from &&
    `case when ${plain} and ${format.plain.exactSql?.(from) ?? 'true'} then ${format.plain.bytesSql(from, adoption.type)} end`;
  return await sql.unsafe<WantingRow[]>(
    `select ${rowKeySql.asTexts(site.key)} as key, t.xmin::text as version,
      ${rowIdColumn === undefined ? 'null' : `t.${quoteIdentifier(rowIdColumn.name)}`}::text as "rowId", ${bytes ?? 'null::bytea'} as plaintext,
      case when ${untagged} then t.${quoteIdentifier(name)} end as stored
    from ${qualifiedName(site.schema, site.table)} t where t.tenant_id = $1 and (${plain} or ${untagged}) ${beyond}
    ${rowKeySql.ordered(site.key)} limit $2`,
    [tenantId, limit, ...(after ?? [])],
  );
}

/**
 * Fills rows, each only if it is still the version that was read, and skips those that somebody holds: no write is lost, nobody is waited for.
 * Triggers of the platform's own fire.
 *
 * @returns how many were filled: encrypted, or given no more than a tag
 */
export async function fillRows(
  sql: TransactionSql,
  site: LocatedSite,
  tenantId: string,
  rows: readonly FilledRow[],
): Promise<{ readonly encrypted: number; readonly tagged: number }> {
  if (rows.length === 0) return { encrypted: 0, tagged: 0 };
  // Where a tag is part of a unique key, PostgreSQL waits for whoever is writing an equal one. Giving up before it looks for deadlocks
  // (deadlock_timeout, a second) makes sure that it is never the other who has to.
  if (site.tags !== undefined) await sql`select set_config('lock_timeout', '500', true)`;
  const table = qualifiedName(site.schema, site.table);
  const { name, adoption } = site.column;
  const column = quoteIdentifier(name);
  const set = [
    ...(adoption === undefined
      ? []
      : [
          `${column} = case when g.ciphertext is null then t.${column} else decode(g.ciphertext, 'hex') end`,
          `${quoteIdentifier(adoption.column)} = null`,
        ]),
    ...(site.tags === undefined ? [] : [`${quoteIdentifier(site.tags)} = decode(g.tag, 'hex')`]),
  ];
  const same = ['t.tenant_id = $2', ...rowKeySql.same(site.key), 't.xmin = g.version::xid'];
  // A tag may be part of a key, and a key may not change under a row that a foreign key is just being checked against.
  const lock = site.tags === undefined ? 'for no key update' : 'for update';
  const filled = await sql.unsafe<{ encrypted: boolean }[]>(
    `update ${table} t set ${set.join(', ')}
    from (
      select g.* from jsonb_to_recordset($1::text::jsonb) as g (${[...rowKeySql.given(site.key), 'version text', 'ciphertext text', 'tag text'].join(', ')})
        join ${table} t on ${same.join(' and ')}
      ${lock} of t skip locked
    ) g
    where ${same.join(' and ')}
    returning g.ciphertext is not null as encrypted`,
    [JSON.stringify(rows.map(asJson)), tenantId],
  );
  const encrypted = filled.filter((row) => row.encrypted).length;
  return { encrypted, tagged: filled.length - encrypted };
}

function asJson({ key, version, ciphertext, tag }: FilledRow): object {
  return { ...givenKey(key), version, ciphertext: ciphertext?.toString('hex'), tag: tag?.toString('hex') };
}

/** SQL that is true of rows: in plaintext, encrypted, encrypted without a tag. */
function conditions({ column, tags }: LocatedSite): { readonly plain: string; readonly stored: string; readonly untagged: string } {
  const stored = `t.${quoteIdentifier(column.name)} is not null`;
  return {
    plain: column.adoption === undefined ? 'false' : `t.${quoteIdentifier(column.adoption.column)} is not null`,
    stored,
    untagged: tags === undefined ? 'false' : `(${stored} and t.${quoteIdentifier(tags)} is null)`,
  };
}
