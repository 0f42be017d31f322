import { eq } from 'drizzle-orm';
import postgres from 'postgres';
import { products } from '../schema.ts';
import { supplierIban } from '../supplier-iban.ts';
import type { Platform } from './platform.ts';
import type { Retailer } from './retailer.ts';

export interface SecretView {
  readonly retailer: string;
  readonly tier: string;
  /** The provider of the KEK that wraps the retailer's data key, and whose it is, as the catalog records them. */
  readonly kek: string;
  readonly sku: string;
  /** What a superuser of the server finds in the column. */
  readonly database: string;
  /** What the retailer's own service reads. */
  readonly tenant: string;
  readonly verdict: 'OK' | 'OFF';
}

/** A supplier's account as a superuser on a direct connection sees it, whom no policy holds back, and as its retailer does. */
export async function secretView({ id, config, placement, tenancy }: Retailer, platform: Platform): Promise<SecretView> {
  const sku = 'NEW-TODAY';
  const [row] = await asAdmin(
    platform.adminUrl(config.region, placement.database),
    (admin) =>
      admin<
        { stored: string }[]
      >`select encode(supplier_iban, 'hex') as stored from ${admin(placement.schema)}.products where sku = ${sku}`,
  );
  const stored = row?.stored ?? '';
  const keks = await asAdmin(
    platform.catalogAdminUrl,
    (admin) => admin<{ provider: string; owner: string | null }[]>`
      select distinct kek.provider, kek.tenant_id as owner from tenancy.data_keys key join tenancy.keks kek on kek.id = key.kek_id
      where key.tenant_id = ${id}`,
  );
  const [own] = await tenancy.run(
    id,
    async () => await tenancy.db.select({ iban: products.supplierIban }).from(products).where(eq(products.sku, sku)),
  );
  const wanted = supplierIban(sku);
  const hidden = stored.length > 2 * wanted.length && !Buffer.from(stored, 'hex').includes(wanted);
  const kept = keks.length === 1 && keks[0]!.provider === platform.keys.providerFor(config);
  return {
    retailer: id,
    tier: config.tier,
    kek: keks.map(({ provider, owner }) => `${provider} (${owner ?? 'the platform'})`).join(', '),
    sku,
    database: `\\x${stored.slice(0, 32)}… (${stored.length / 2} bytes)`,
    tenant: own?.iban ?? '-',
    verdict: hidden && kept && own?.iban === wanted ? 'OK' : 'OFF',
  };
}

async function asAdmin<T>(url: string, work: (admin: postgres.Sql) => Promise<T>): Promise<T> {
  const admin = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
  try {
    return await work(admin);
  } finally {
    await admin.end({ timeout: 5 });
  }
}
