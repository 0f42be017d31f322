import type { Sql } from 'postgres';
import { documentsPerKind, linesPerOrder, ordersPerTenant, ownSkuOf, productsPerTenant } from './stock.ts';

export interface FillOptions {
  /** False where the tables have no column tenant_id. */
  readonly tenantColumn: boolean;
  /** How many documents each tenant gets; 0: none, and no indexes on them. */
  readonly documents: number;
}

/** Fills the tables in the session's search_path: the same rows for each tenant, in every way to keep them. */
export async function fillTables(admin: Sql, tenantIds: readonly string[], { tenantColumn, documents }: FillOptions): Promise<void> {
  for (const tenantId of tenantIds) {
    for (const statement of rowStatements(tenantId, tenantColumn, documents)) await admin.unsafe(statement);
  }
  if (documents === 0) return void (await admin.unsafe('analyze products, order_lines'));
  for (const statement of indexStatements(tenantColumn)) await admin.unsafe(statement);
  // Scans of an index alone need the visibility map.
  await admin.unsafe('vacuum analyze products, order_lines, documents, filed_documents');
}

function rowStatements(tenantId: string, tenantColumn: boolean, documents: number): readonly string[] {
  const column = tenantColumn ? 'tenant_id, ' : '';
  const value = tenantColumn ? `'${tenantId}', ` : '';
  const fill = (table: string, columns: string, values: string, rest: string): string =>
    `insert into ${table} (${column}${columns}) select ${value}${values} from ${rest}`;
  const statements = [
    fill(
      'products',
      'sku, description, stock',
      `sku, sku || ' of ${tenantId}', 1`,
      `(select 'SKU-' || n as sku from generate_series(0, ${productsPerTenant - 1}) n union all select '${ownSkuOf(tenantId)}') s`,
    ),
    fill(
      'order_lines',
      'order_number, line_number, sku, quantity',
      `o, l, 'SKU-' || (o * ${linesPerOrder} + l - 1), l`,
      `generate_series(0, ${ordersPerTenant - 1}) o, generate_series(1, ${linesPerOrder}) l`,
    ),
  ];
  if (documents === 0) return statements;
  const kind = `'kind-' || (n % ${documents / documentsPerKind})`;
  const columns = 'id, title, attributes';
  const values = `n, ${kind} || '/' || n, jsonb_build_object('kind', ${kind}, 'number', n)`;
  for (const table of ['documents', 'filed_documents']) {
    statements.push(fill(table, columns, values, `generate_series(0, ${documents - 1}) n`));
  }
  return statements;
}

/** Indexes as users make them for these filters: `documents` on what is asked, `filed_documents` led by the tenant and covering. */
function indexStatements(tenantColumn: boolean): readonly string[] {
  const tenant = tenantColumn ? 'tenant_id, ' : '';
  return [
    'create index documents_attributes on documents using gin (attributes jsonb_path_ops)',
    'create index documents_title on documents (title text_pattern_ops)',
    `create index filed_documents_title on filed_documents (${tenant}title text_pattern_ops) include (id)`,
    `create index filed_documents_attributes on filed_documents (${tenant}id) include (attributes)`,
  ];
}
