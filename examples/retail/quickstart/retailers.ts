import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseTenantConfig, readTenantConfig, type TenantConfig } from '@godseye/tenancy';
import { retailerFor } from '../retailer-for.ts';

const directory = fileURLToPath(new URL('../tenants', import.meta.url));

/**
 * Every retailer that has a YAML file, and one of the standard tier for each further country in the data.
 *
 * @param countries as the invoice files name them
 */
export async function retailers(countries: Iterable<string>): Promise<readonly TenantConfig[]> {
  const files = (await readdir(directory)).filter((name) => name.endsWith('.yaml')).sort();
  const given = await Promise.all(files.map((name) => readTenantConfig(join(directory, name))));
  const known = new Map(given.map((config) => [config.id as string, config]));
  for (const country of countries) {
    const config = parseTenantConfig(retailerFor(country, known));
    known.set(config.id, config);
  }
  return [...known.values()];
}
