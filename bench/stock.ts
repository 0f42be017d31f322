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
