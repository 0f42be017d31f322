import { describe, expect, test } from 'vitest';
import { ResidencyError } from '../../../src/errors.ts';
import { assertResidency, residencyRefusal } from '../../../src/residency/residency-rule.ts';

const facts = {
  tenant: { id: 'tenant-100', dataResidency: ['eu-central-1', 'eu-west-1'] },
  clusterId: 'eu-1',
  clusterRegion: 'eu-central-1',
  kmsRegions: ['eu-west-1'],
  runtimeRegion: 'eu-west-1',
};

describe('assertResidency', () => {
  test('lets everything pass that stands in allowed regions', () => {
    expect(() => assertResidency(facts)).not.toThrow();
    expect(() => assertResidency({ ...facts, kmsRegions: [] })).not.toThrow();
  });

  test.each([
    ['cluster', { clusterRegion: 'us-east-1' }, 'its cluster eu-1 stands in us-east-1'],
    ['key manager', { kmsRegions: ['eu-west-1', 'us-east-1'] }, 'its key manager stands in us-east-1'],
    ['process', { runtimeRegion: 'us-east-1' }, 'this process runs in us-east-1'],
    ['process without a region', { runtimeRegion: '' }, 'this process runs in (no region)'],
  ])('refuses a %s elsewhere, and says what is allowed', (_what, change, message) => {
    const refusal = residencyRefusal({ ...facts, ...change });
    expect(refusal).toBeInstanceOf(ResidencyError);
    expect(refusal!.message).toContain(message);
    expect(refusal!.message).toContain('eu-central-1, eu-west-1 only');
    expect(refusal!.tenantId).toBe('tenant-100');
    expect(refusal!.allowedRegions).toEqual(['eu-central-1', 'eu-west-1']);
    expect(() => assertResidency({ ...facts, ...change })).toThrow(ResidencyError);
  });

  test('names all that stands elsewhere', () => {
    const refusal = residencyRefusal({ ...facts, clusterRegion: 'us-east-1', runtimeRegion: 'ap-south-1' });
    expect(refusal!.message).toContain('stands in us-east-1 and this process runs in ap-south-1');
    expect(refusal!.region).toBe('us-east-1');
  });

  test('a tenant without any allowed region is refused everywhere', () => {
    expect(() => assertResidency({ ...facts, tenant: { id: 't', dataResidency: [] } })).toThrow(ResidencyError);
  });

  test('a region is compared whole', () => {
    expect(() => assertResidency({ ...facts, clusterRegion: 'eu-central-10' })).toThrow(ResidencyError);
  });
});
