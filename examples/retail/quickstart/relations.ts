import { relations } from 'drizzle-orm';
import { inventory, orderLines, orders, products } from '../schema.ts';

export const orderRelations = relations(orders, ({ many }) => ({ lines: many(orderLines) }));

export const orderLineRelations = relations(orderLines, ({ one }) => ({
  order: one(orders, { fields: [orderLines.orderId], references: [orders.id] }),
  product: one(products, { fields: [orderLines.productId], references: [products.id] }),
}));

export const productRelations = relations(products, ({ one }) => ({
  shelf: one(inventory, { fields: [products.id], references: [inventory.productId] }),
}));
