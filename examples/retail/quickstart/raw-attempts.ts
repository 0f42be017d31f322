import type { Attempt } from './attempt.ts';
import type { Retailer } from './retailer.ts';

/** Raw SQL of a service, or injected into it, that names what is not its tenant's. */
export function rawAttempts(attacker: Retailer, victim: Retailer, serverMajor: number): readonly Attempt[] {
  const { sql } = attacker.tenancy;
  const schema = sql.identifier(victim.placement.schema);
  const meets = { code: 'POLICY_VIOLATION', action: 'query.policy' } as const;
  const attempt = (name: string, query: () => PromiseLike<unknown>, quiet = false): Attempt => ({
    name: `raw SQL: ${name}`,
    meets,
    quiet,
    act: () => attacker.tenancy.run(attacker.id, query),
  });
  const quiet = serverMajor < 18;
  return [
    attempt("reading another tenant's schema", () => sql`select sku, supplier_iban from ${schema}.products`, quiet),
    attempt("joining another tenant's schema", () => sql`select * from products p join ${schema}.products v on v.sku = p.sku`, quiet),
    attempt(
      "inserting into another tenant's schema",
      () => sql`insert into ${schema}.products (tenant_id, sku, price) values (${victim.id}, 'PLANTED', 0)`,
    ),
    attempt("updating another tenant's schema", () => sql`update ${schema}.products set price = 0`, quiet),
    attempt("deleting from another tenant's schema", () => sql`delete from ${schema}.order_lines`, quiet),
    attempt(
      "another tenant's id in one's own table",
      () => sql`insert into products (tenant_id, sku, price) values (${victim.id}, 'PLANTED', 0)`,
    ),
    attempt(
      'becoming the owner',
      () =>
        sql`select set_config('role', (select tableowner from pg_tables where schemaname = ${victim.placement.schema} and tablename = 'products'), true)`,
    ),
    attempt('reading the keys that sign contexts', () => sql`select * from tenancy.context_keys`),
    attempt('changing reference rows', () => sql`update reference.currencies set minor_units = 9`),
    attempt("a temporary table in another's way", () => sql`select * into temporary table products from reference.currencies`),
  ];
}
