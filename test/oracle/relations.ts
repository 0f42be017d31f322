/** Where each relation of the schema leads. */
export const relations: Readonly<Record<string, { readonly table: 'shops' | 'items' | 'sales' | 'rates'; readonly many: boolean }>> = {
  items: { table: 'items', many: true },
  children: { table: 'shops', many: true },
  sales: { table: 'sales', many: true },
  parent: { table: 'shops', many: false },
  shop: { table: 'shops', many: false },
  item: { table: 'items', many: false },
  rateRow: { table: 'rates', many: false },
};

export const relationsOf: Readonly<Record<string, readonly string[]>> = {
  shops: ['items', 'parent', 'children'],
  items: ['shop', 'sales', 'rateRow'],
  sales: ['item'],
  rates: [],
};
