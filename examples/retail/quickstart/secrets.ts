import { eq } from 'drizzle-orm';
import postgres from 'postgres';
import { products } from '../schema.ts';
import { supplierIban } from '../supplier-iban.ts';
import type { Retailer } from './retailer.ts';

export interface SecretView {
  readonly retailer: string;
  readonly tier: string;
  readonly sku: string;
  /** What a superuser of the server finds in the column. */
  readonly database: string;
  /** What the retailer's own service reads. */
  readonly tenant: string;
  readonly verdict: 'OK' | 'OFF';
}

/** A supplier's account as a superuser on a direct connection sees it, whom no policy holds back, and as its retailer does. */
export async function secretView({ id, config, placement, tenancy }: Retailer, adminUrl: string): Promise<SecretView> {
  const sku = 'NEW-TODAY';
  const admin = postgres(adminUrl, { max: 1, fetch_types: false, onnotice: () => {} });
  let stored: string;
  try {
    const [row] = await admin<
      { stored: string }[]
    >`select encode(supplier_iban, 'hex') as stored from ${admin(placement.schema)}.products where sku = ${sku}`;
    stored = row?.stored ?? '';
  } finally {
    await admin.end({ timeout: 5 });
  }
  const [own] = await tenancy.run(
    id,
    async () => await tenancy.db.select({ iban: products.supplierIban }).from(products).where(eq(products.sku, sku)),
  );
  const wanted = supplierIban(sku);
  const hidden = stored.length > 2 * wanted.length && !Buffer.from(stored, 'hex').includes(wanted);
  return {
    retailer: id,
    tier: config.tier,
    sku,
    database: `\\x${stored.slice(0, 32)}… (${stored.length / 2} bytes)`,
    tenant: own?.iban ?? '-',
    verdict: hidden && own?.iban === wanted ? 'OK' : 'OFF',
  };
}
