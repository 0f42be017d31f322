/** How many products each tenant has. */
export const productsPerTenant = 1_000;
/** How many orders each tenant has, and lines each of them. */
export const ordersPerTenant = 50;
export const linesPerOrder = 20;
/** How many documents a subject's tenants have together. */
export const documentsInAll = 200_000;
/** How many documents answer each filter: those of one kind, or those of one shelf. */
export const documentsPerKind = 10;

/** The product that a turn reads or moves: all of them, in an order that jumps. */
export function skuOf(turn: number): string {
  return `SKU-${(turn * 7_919) % productsPerTenant}`;
}

/** A product that this tenant has and no other. */
export function ownSkuOf(tenantId: string): string {
  return `OWN-${tenantId}`;
}

export function descriptionOf(tenantId: string, sku: string): string {
  return `${sku} of ${tenantId}`;
}

export function orderOf(turn: number): number {
  return (turn * 7_919) % ordersPerTenant;
}

/** The kind of documents that a turn asks for; each of a tenant's has {@link documentsPerKind}. */
export function kindOf(turn: number, documents: number): string {
  return `kind-${(turn * 7_919) % (documents / documentsPerKind)}`;
}

/** A pattern for the titles of the same documents. */
export function titlePatternOf(turn: number, documents: number): string {
  return `${kindOf(turn, documents)}/%`;
}

/**
 * The SQL that fills one tenant's tables; the same rows in every way to keep them.
 *
 * @param tenantColumn false where tables have no column tenant_id
 * @param documents of this tenant; 0: none
 */
export function fillStatements(tenantId: string, tenantColumn: boolean, documents: number): readonly string[] {
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
export function indexStatements(tenantColumn: boolean): readonly string[] {
  const tenant = tenantColumn ? 'tenant_id, ' : '';
  return [
    'create index documents_attributes on documents using gin (attributes jsonb_path_ops)',
    'create index documents_title on documents (title text_pattern_ops)',
    `create index filed_documents_title on filed_documents (${tenant}title text_pattern_ops) include (id)`,
    `create index filed_documents_attributes on filed_documents (${tenant}id) include (attributes)`,
  ];
}
