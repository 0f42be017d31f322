import { createTenancy } from '@godseye/tenancy';
import { localKeyManager } from '@godseye/tenancy/kms/local';
import { eq, sql } from 'drizzle-orm';
import * as schema from './schema.ts';

const tenancy = await createTenancy({
  catalog: { url: process.env['TENANCY_CATALOG_URL']! }, // printed by `tenancy init`
  schema,
  runtime: { region: 'us-east-1' },
  kms: localKeyManager({ file: process.env['TENANCY_KEY_FILE']!, region: 'us-east-1' }),
});
const { products } = schema;

const left = await tenancy.run('acme', async () => {
  await tenancy.db.insert(products).values({ sku: 'LAMP-1', stock: 10, supplierIban: 'DE89370400440532013000' });
  return await tenancy.db.transaction(async (tx) => {
    await tx
      .update(products)
      .set({ stock: sql`${products.stock} - 1` })
      .where(eq(products.sku, 'LAMP-1'));
    return await tx.select().from(products).where(eq(products.sku, 'LAMP-1'));
  });
});
console.log(left[0]?.stock, left[0]?.supplierIban);

await tenancy.close();
