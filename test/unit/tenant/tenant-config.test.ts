import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvalidTenantIdError, TenantConfigError } from '../../../src/errors.ts';
import { parseTenantConfig, residencyOf } from '../../../src/tenant/tenant-config.ts';

const minimal = { id: 'tenant-100', name: 'Acme Retail', tier: 'enterprise', region: 'us-east-1' };

function issuesOf(value: unknown): Record<string, string> {
  try {
    parseTenantConfig(value);
  } catch (error) {
    expect(error).toBeInstanceOf(TenantConfigError);
    return Object.fromEntries((error as TenantConfigError).issues.map((issue) => [issue.path, issue.message]));
  }
  throw new Error('the configuration was accepted');
}

describe('parseTenantConfig', () => {
  test('accepts the object with and without its tenant key, and fills in empty sections', () => {
    const config = parseTenantConfig({ tenant: minimal });
    expect(config).toEqual({ ...minimal, features: {}, branding: {}, integrations: {}, compliance: {}, ai: {} });
    expect(parseTenantConfig(minimal)).toEqual(config);
    expect(parseTenantConfig(config)).toEqual(config);
  });

  test('is frozen all through and shares nothing with its input', () => {
    const input = { ...minimal, features: { ai_agents: true }, compliance: { data_residency: ['us-east-1'] } };
    const config = parseTenantConfig(input);
    input.compliance.data_residency.push('eu-west-1');
    input.features.ai_agents = false;
    expect(config.compliance.data_residency).toEqual(['us-east-1']);
    expect(config.features['ai_agents']).toBe(true);
    for (const part of [
      config,
      config.features,
      config.branding,
      config.integrations,
      config.compliance,
      config.compliance.data_residency,
      config.ai,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  test.each(['branding', 'compliance', 'ai'])('%s refuses keys that it does not know, by path', (section) => {
    expect(issuesOf({ tenant: { ...minimal, [section]: { zzz: 1 } } })).toEqual({ [`tenant.${section}.zzz`]: 'unknown key' });
    expect(issuesOf({ ...minimal, [section]: { zzz: 1 } })).toEqual({ [`${section}.zzz`]: 'unknown key' });
  });

  test('unknown keys at the top and beside tenant are refused', () => {
    expect(issuesOf({ ...minimal, zzz: 1 })).toEqual({ zzz: 'unknown key' });
    expect(issuesOf({ tenant: minimal, version: 2 })).toEqual({ version: 'unknown key: only tenant stands at the top' });
  });

  test.each([
    [{ teir: 'x' }, 'teir', 'unknown key; did you mean tier?'],
    [{ feature: {} }, 'feature', 'unknown key; did you mean features?'],
    [{ branding: { primaryColour: '#000000' } }, 'branding.primaryColour', 'unknown key; did you mean primary_color?'],
    [{ ai: { 'llm-provider': 'x' } }, 'ai.llm-provider', 'unknown key; did you mean llm_provider?'],
    [{ compliance: { pci_level: 1 } }, 'compliance.pci_level', 'unknown key; did you mean pci_dss_level?'],
    [{ data_residency: ['us-east-1'] }, 'data_residency', 'unknown key here; did you mean compliance.data_residency?'],
  ])('a key that was nearly right is named: %j', (extra, path, message) => {
    expect(issuesOf({ ...minimal, ...extra })[path]).toBe(message);
  });

  test('a key from JSON that is called __proto__ is refused and pollutes nothing', () => {
    const value = JSON.parse(
      '{"id":"tenant-100","name":"n","tier":"standard","region":"r","features":{"__proto__":{"polluted":true}},"__proto__":{"tier":"premium"}}',
    );
    expect(issuesOf(value)).toEqual({ ['__proto__' as string]: 'unknown key', 'features.__proto__': 'unknown key' });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('lists everything that is wrong at once', () => {
    expect(
      issuesOf({ id: 'Nope', region: 'US EAST', features: { ai_agents: 'yes' }, branding: null, compliance: { data_residency: [] } }),
    ).toEqual({
      id: expect.stringContaining('not a tenant id'),
      name: 'is required',
      tier: 'is required',
      region: expect.stringContaining('like us-east-1'),
      'features.ai_agents': expect.stringContaining('expected boolean'),
      branding: 'is empty: give it a value or leave it out',
      'compliance.data_residency': expect.any(String),
    });
  });

  test.each(['NO', 'public', 'pg-x', 'a'.repeat(49)])('the id %s is an issue with the reason as cause', (id) => {
    try {
      parseTenantConfig({ ...minimal, id });
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(TenantConfigError);
      expect((error as Error).cause).toBeInstanceOf(InvalidTenantIdError);
      expect((error as TenantConfigError).issues).toHaveLength(1);
    }
  });

  test.each([['Ai_agents'], ['ai agents'], ['_x'], ['9x'], [''], ['a-b'], ['a'.repeat(64)]])(
    'features and integrations refuse the name %j',
    (key) => {
      expect(Object.values(issuesOf({ ...minimal, features: { [key]: true }, integrations: { [key]: 'x' } }))).toHaveLength(2);
    },
  );

  test('features and integrations are open to any other name', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-z0-9_]{0,62}$/), fc.boolean(), (key, on) => {
        const config = parseTenantConfig({ ...minimal, features: { [key]: on }, integrations: { [key]: 'vendor' } });
        expect(config.features[key]).toBe(on);
        expect(config.integrations[key]).toBe('vendor');
      }),
    );
  });

  test('residency must hold the own region and no region twice', () => {
    expect(issuesOf({ ...minimal, compliance: { data_residency: ['eu-west-1', 'eu-west-1'] } })).toEqual({
      'compliance.data_residency': "must allow the tenant's own region, us-east-1",
      'compliance.data_residency.1': 'eu-west-1 stands here twice',
    });
    expect(residencyOf(parseTenantConfig(minimal))).toEqual(['us-east-1']);
    expect(residencyOf(parseTenantConfig({ ...minimal, compliance: { data_residency: ['us-west-2', 'us-east-1'] } }))).toEqual([
      'us-west-2',
      'us-east-1',
    ]);
  });

  test('whatever it is given, it answers with a configuration or the typed error', () => {
    const cyclic: Record<string, unknown> = { ...minimal };
    cyclic['features'] = cyclic;
    expect(() => parseTenantConfig(cyclic)).toThrow(TenantConfigError);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          fc.object().map((extra) => ({ tenant: { ...minimal, ...extra } })),
        ),
        (value) => {
          try {
            expect(parseTenantConfig(value).id).toBe('tenant-100');
          } catch (error) {
            expect(error).toBeInstanceOf(TenantConfigError);
            expect((error as TenantConfigError).issues.length).toBeGreaterThan(0);
          }
        },
      ),
    );
  });
});
