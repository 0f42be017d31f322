import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { retailerFor, retailerIdOf } from '../../../../examples/retail/retailer-for.ts';
import { parseTenantConfig, type TenantConfig } from '../../../../src/tenant/tenant-config.ts';
import { readTenantConfig } from '../../../../src/tenant/tenant-config-file.ts';

const folder = join(import.meta.dirname, '../../../../examples/retail/tenants');

async function known(): Promise<Map<string, TenantConfig>> {
  const configs = await Promise.all(
    (await readdir(folder)).map(async (file) => {
      const config = await readTenantConfig(join(folder, file));
      expect(file).toBe(`${config.id}.yaml`);
      return [config.id, config] as const;
    }),
  );
  return new Map(configs);
}

test('the retailers’ files are valid: at least six, all three tiers, two regions', async () => {
  const configs = [...(await known()).values()];
  expect(configs.length).toBeGreaterThanOrEqual(6);
  expect(new Set(configs.map(({ tier }) => tier))).toEqual(new Set(['standard', 'enterprise', 'premium']));
  expect(new Set(configs.map(({ region }) => region))).toEqual(new Set(['eu-west-1', 'us-east-1']));
});

describe('retailerIdOf', () => {
  test.each([
    ['United Kingdom', 'united-kingdom'],
    ['EIRE', 'eire'],
    ['Côte d’Ivoire', 'cote-d-ivoire'],
    ['  Spain ', 'spain'],
    ['Korea (South)', 'korea-south'],
    ['???', undefined],
    ['', undefined],
    ['7 Isles', undefined],
    ['x'.repeat(49), undefined],
  ])('%j is %s', (country, id) => {
    expect(retailerIdOf(country)).toBe(id);
  });
});

describe('retailerFor', () => {
  test('a country with a file gets it', async () => {
    const configs = await known();
    expect(retailerFor('United Kingdom', configs)).toBe(configs.get('united-kingdom'));
    expect(retailerFor('USA', configs)).toMatchObject({ id: 'usa', region: 'us-east-1' });
  });

  test.each([
    ['Norway', 'eu-west-1'],
    ['Brazil', 'us-east-1'],
    ['Channel Islands', 'eu-west-1'],
  ])('%s gets one of the standard tier in %s', (country, region) => {
    expect(parseTenantConfig(retailerFor(country, new Map()))).toMatchObject({
      id: retailerIdOf(country),
      tier: 'standard',
      region,
      compliance: { data_residency: [region] },
    });
  });

  test('a country that names no retailer is refused', () => {
    expect(() => retailerFor('???', new Map())).toThrow('names no retailer');
  });
});
