import type { Sql, TransactionSql } from 'postgres';
import type { SilentQuestion } from '../audit/silent-question.ts';
import { failureCode } from '../catalog/catalog-failure.ts';
import { withClient } from '../provision/admin-client.ts';
import type { OwnerOfDatabase } from '../provision/owner-access.ts';
import { quoteIdentifier } from '../sql/identifier.ts';
import { inTransaction } from '../sql/transaction.ts';

/** Whose row it is that a key names. */
export interface KeyAnswer {
  /** Whether the tenant that asked has one itself: its statement then came back with nothing for another reason. */
  readonly own: boolean;
  /** How many other tenants have one. */
  readonly others: number;
  /** One of them. */
  readonly other: string | undefined;
}

/** A class of errors that a value is to blame for. */
const dataException = /^22/;

/**
 * Finds out whose rows some keys of one table name, as the database's owner in maintenance. It reads the whole table once, whichever keys are
 * asked for and whichever of them are there, and answers a row for each: what PostgreSQL counts about tables, indexes and statements, which
 * every login may read, then says nothing about the answers. A look-up by index would.
 *
 * @param questions of one table and key
 * @returns an answer for each; undefined where a value does not fit its column
 * @throws what PostgreSQL throws
 */
export async function probeKeys(
  owner: Pick<OwnerOfDatabase, 'url' | 'signer'>,
  questions: readonly SilentQuestion[],
): Promise<readonly (KeyAnswer | undefined)[]> {
  const [{ schema, table, columns } = questions[0]!] = questions;
  return await withClient(owner.url, async (sql) => {
    const types = await columnTypes(sql, { schema, table, columns });
    if (types === undefined) return questions.map(() => undefined);
    const scan = async (asked: readonly SilentQuestion[]): Promise<readonly KeyAnswer[]> =>
      await inTransaction(sql, async (transaction) => await scanned(transaction, owner, types, asked), 'read only');
    try {
      return await scan(questions);
    } catch (error) {
      if (!dataException.test(failureCode(error) ?? '')) throw error;
      const fits: boolean[] = [];
      for (const { values } of questions) fits.push(await valuesFit(sql, types, values));
      const answers = await scan(questions.filter((_, index) => fits[index]));
      let next = 0;
      return fits.map((fit) => (fit ? answers[next++] : undefined));
    }
  });
}

async function scanned(
  sql: TransactionSql,
  { signer }: Pick<OwnerOfDatabase, 'signer'>,
  types: readonly string[],
  questions: readonly SilentQuestion[],
): Promise<readonly KeyAnswer[]> {
  const [{ schema, table, columns } = { schema: '', table: '', columns: [] as string[] }] = questions;
  if (questions.length === 0) return [];
  const [backend] = await sql<{ pid: number }[]>`select pg_catalog.pg_backend_pid() as pid`;
  await sql`
    select set_config('tenancy.context', ${signer.signMaintenance(backend!.pid)}, true), set_config('search_path', 'pg_catalog, pg_temp', true),
      set_config('row_security', 'on', true), set_config('statement_timeout', '600000', true),
      set_config('enable_indexscan', 'off', true), set_config('enable_indexonlyscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
      set_config('enable_nestloop', 'off', true), set_config('enable_mergejoin', 'off', true)`;
  const names = columns.map((_, index) => `c${index}`);
  const rows = await sql.unsafe<{ n: number; own: boolean; others: number; other: string | null }[]>(
    `select q.n, coalesce(bool_or(t.tenant_id = q.tenant), false) as own, (count(distinct t.tenant_id) filter (where t.tenant_id <> q.tenant))::int as others,
      min(t.tenant_id) filter (where t.tenant_id <> q.tenant) as other
    from (
      select n::int, tenant, ${names.map((name, index) => `${name}::${types[index]!} as ${name}`).join(', ')}
      from jsonb_to_recordset($1::text::jsonb) as given (n int, tenant text, ${names.map((name) => `${name} text`).join(', ')})
      offset 0
    ) q
    left join ${quoteIdentifier(schema)}.${quoteIdentifier(table)} t on ${columns.map((column, index) => `t.${quoteIdentifier(column)} = q.c${index}`).join(' and ')}
    group by q.n`,
    [
      JSON.stringify(
        questions.map(({ tenantId, values }, n) => ({
          n,
          tenant: tenantId,
          ...Object.fromEntries(values.map((value, index) => [`c${index}`, value])),
        })),
      ),
    ],
  );
  return [...rows].sort((a, b) => a.n - b.n).map(({ own, others, other }) => Object.freeze({ own, others, other: other ?? undefined }));
}

/** The columns' types as SQL casts to them, without what limits them: a text that is too long must not be cut into another. */
async function columnTypes(
  sql: Sql,
  { schema, table, columns }: Pick<SilentQuestion, 'schema' | 'table' | 'columns'>,
): Promise<readonly string[] | undefined> {
  const rows = await sql<{ name: string; type: string }[]>`
    select a.attname::text as name, quote_ident(n.nspname) || '.' || quote_ident(t.typname) as type
    from pg_catalog.pg_attribute a
      join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace s on s.oid = c.relnamespace
      join pg_catalog.pg_type t on t.oid = a.atttypid join pg_catalog.pg_namespace n on n.oid = t.typnamespace
    where s.nspname = ${schema} and c.relname = ${table} and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped`;
  const types = new Map(rows.map(({ name, type }) => [name, type]));
  const found = columns.flatMap((column) => types.get(column) ?? []);
  return found.length === columns.length && types.has('tenant_id') ? found : undefined;
}

async function valuesFit(sql: Sql, types: readonly string[], values: readonly string[]): Promise<boolean> {
  try {
    await sql.unsafe(`select ${types.map((type, index) => `$${index + 1}::text::${type}`).join(', ')}`, [...values]);
    return true;
  } catch (error) {
    if (!dataException.test(failureCode(error) ?? '')) throw error;
    return false;
  }
}
