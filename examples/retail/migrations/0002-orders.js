/** @param {import('node-pg-migrate').MigrationBuilder} pgm */
export function up(pgm) {
  pgm.createTable(
    'orders',
    {
      tenant_id: { type: 'text', notNull: true },
      id: { type: 'uuid', notNull: true, default: pgm.func('gen_random_uuid()') },
      invoice_no: { type: 'text', notNull: true },
      customer: { type: 'text' },
      ordered_at: { type: 'timestamptz', notNull: true },
      currency: { type: 'text', notNull: true },
    },
    {
      constraints: {
        primaryKey: ['tenant_id', 'id'],
        unique: [['tenant_id', 'invoice_no']],
        // Found through search_path: currencies is the one table that belongs to no tenant.
        foreignKeys: { columns: 'currency', references: 'currencies (code)' },
      },
    },
  );
  pgm.createIndex('orders', ['tenant_id', 'ordered_at'], { name: 'orders_ordered_at' });

  pgm.createTable(
    'order_lines',
    {
      tenant_id: { type: 'text', notNull: true },
      id: { type: 'uuid', notNull: true, default: pgm.func('gen_random_uuid()') },
      order_id: { type: 'uuid', notNull: true },
      product_id: { type: 'uuid', notNull: true },
      quantity: { type: 'integer', notNull: true },
      unit_price: { type: 'numeric(12, 4)', notNull: true },
      line_key: { type: 'text', notNull: true },
    },
    {
      constraints: {
        primaryKey: ['tenant_id', 'id'],
        unique: [['tenant_id', 'line_key']],
        foreignKeys: [
          { columns: ['tenant_id', 'order_id'], references: 'orders (tenant_id, id)', onDelete: 'CASCADE' },
          { columns: ['tenant_id', 'product_id'], references: 'products (tenant_id, id)' },
        ],
      },
    },
  );
  pgm.createIndex('order_lines', ['tenant_id', 'order_id'], { name: 'order_lines_order' });
  pgm.createIndex('order_lines', ['tenant_id', 'product_id'], { name: 'order_lines_product' });
}
