/** How many products each tenant has. */
export const productsPerTenant = 1_000;

/** The product that a turn reads or moves: all of them, in an order that jumps. */
export function skuOf(turn: number): string {
  return `SKU-${(turn * 7_919) % productsPerTenant}`;
}
