import { createTenancy } from '@godseye/tenancy';
import { localKeyManager } from '@godseye/tenancy/kms/local';
import { eq, sql } from 'drizzle-orm';
import * as schema from './schema.ts';

const tenancy = await createTenancy({
  catalog: { url: process.env['TENANCY_CATALOG_URL']! }, // printed by `tenancy init --show-secrets`
  schema,
  runtime: { region: 'us-east-1' },
  kms: localKeyManager({ file: process.env['TENANCY_KEY_FILE']!, region: 'us-east-1' }),
});
const { products } = schema;

const [lamp] = await tenancy.run('acme', async () => {
  await tenancy.db.insert(products).values({ sku: 'LAMP-1', stock: 10, supplierIban: 'DE89370400440532013000' });
  const oneLess = { stock: sql`${products.stock} - 1` };
  return await tenancy.db.update(products).set(oneLess).where(eq(products.sku, 'LAMP-1')).returning();
});
console.log(lamp?.stock, lamp?.supplierIban);

await tenancy.close();
