/** @param {import('node-pg-migrate').MigrationBuilder} pgm */
export function up(pgm) {
  pgm.createTable(
    'products',
    {
      tenant_id: { type: 'text', notNull: true },
      id: { type: 'uuid', notNull: true, default: pgm.func('gen_random_uuid()') },
      sku: { type: 'text', notNull: true },
      description: { type: 'text' },
      price: { type: 'numeric(12, 4)', notNull: true },
      supplier_iban: { type: 'bytea' },
    },
    { constraints: { primaryKey: ['tenant_id', 'id'], unique: [['tenant_id', 'sku']] } },
  );
  pgm.createTable(
    'inventory',
    {
      tenant_id: { type: 'text', notNull: true },
      product_id: { type: 'uuid', notNull: true },
      quantity: { type: 'integer', notNull: true },
    },
    {
      constraints: {
        primaryKey: ['tenant_id', 'product_id'],
        foreignKeys: { columns: ['tenant_id', 'product_id'], references: 'products (tenant_id, id)', onDelete: 'CASCADE' },
      },
    },
  );
}
