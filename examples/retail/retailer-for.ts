import type { TenantConfigInput } from '@godseye/tenancy';

/** Countries whose retailers keep their data in the American region; all others keep it in Europe. */
const american: ReadonlySet<string> = new Set([
  'australia',
  'brazil',
  'canada',
  'hong-kong',
  'japan',
  'mexico',
  'new-zealand',
  'singapore',
  'usa',
  'united-states',
]);

/**
 * The tenant id of a country's retailer: the country in small letters with hyphens.
 *
 * @returns undefined when the name has no letter to begin an id with, or is too long
 * @example
 * ```ts
 * retailerIdOf('United Kingdom'); // united-kingdom
 * ```
 */
export function retailerIdOf(country: string): string | undefined {
  const id = country
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  return /^[a-z][a-z0-9-]{0,47}$/.test(id) ? id : undefined;
}

/**
 * The configuration of a country's retailer: the one given for it, or else one of the standard tier made up from its name.
 *
 * @param country as invoice files name it
 * @param known configurations read from `tenants/`, by tenant id
 * @throws {Error} when the country names no retailer
 */
export function retailerFor<T extends { readonly id: string }>(country: string, known: ReadonlyMap<string, T>): T | TenantConfigInput {
  const id = retailerIdOf(country);
  if (id === undefined) throw new Error(`The country ${JSON.stringify(country)} names no retailer.`);
  const given = known.get(id);
  if (given !== undefined) return given;
  const region = american.has(id) ? 'us-east-1' : 'eu-west-1';
  return {
    id,
    name: `${country} Retail`,
    tier: 'standard',
    region,
    features: { ai_agents: false, demand_forecasting: false },
    compliance: { data_residency: [region] },
  };
}
