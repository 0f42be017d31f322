import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigurationError, TenantConfigError } from '../../../src/errors.ts';
import { type LocatedConfigIssue, parseTenantConfigText, readTenantConfig } from '../../../src/tenant/tenant-config-file.ts';

const fixtures = join(import.meta.dirname, '../../fixtures/tenants');

const example = {
  id: 'tenant-100',
  name: 'Acme Retail',
  tier: 'enterprise',
  region: 'us-east-1',
  features: { ai_agents: true, demand_forecasting: true, dynamic_pricing: false, real_time_analytics: true },
  branding: { primary_color: '#1a73e8', logo_url: 'https://cdn.godseye.io/tenant-100/logo.svg' },
  integrations: { erp: 'sap_s4hana', pos: 'oracle_xstore', payment: 'adyen' },
  compliance: { pci_dss_level: 2, data_residency: ['us-east-1', 'us-west-2'] },
  ai: { llm_provider: 'claude', self_hosted_models: false, agent_memory_ttl: '30d' },
};

function issuesOf(text: string, format: 'yaml' | 'json' = 'yaml'): string[] {
  try {
    parseTenantConfigText(text, format, 'a-file');
  } catch (error) {
    expect(error).toBeInstanceOf(TenantConfigError);
    expect((error as Error).message).toMatch(/^The tenant file a-file can't be used: /);
    return (error as TenantConfigError).issues.map((issue) => {
      const { line, column, path, message } = issue as LocatedConfigIssue;
      return `${line}:${column} ${path}: ${message}`;
    });
  }
  throw new Error('the text was accepted');
}

const head = 'tenant:\n  id: a\n  name: A\n  tier: standard\n  region: eu-west-1\n';

describe('readTenantConfig', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tenant-config-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('the architecture document’s example is accepted as it stands', async () => {
    expect(await readTenantConfig(join(fixtures, 'tenant-100.yaml'))).toEqual(example);
  });

  test('and so is the same in JSON', async () => {
    expect(await readTenantConfig(join(fixtures, 'tenant-100.json'))).toEqual(example);
  });

  test('every mistake of a file is listed with its line and column', async () => {
    const error = await readTenantConfig(join(fixtures, 'mistakes.yaml')).then(
      () => expect.unreachable(),
      (reason: TenantConfigError) => reason,
    );
    expect(
      error.issues.map((issue) => `${(issue as LocatedConfigIssue).line}:${(issue as LocatedConfigIssue).column} ${issue.path}`).sort(),
    ).toEqual([
      '10:5 tenant.branding.primaryColor',
      '11:3 tenant.integrations',
      '13:20 tenant.compliance.pci_dss_level',
      '15:3 tenant.data_residency',
      '17:5 tenant.ai.temperature',
      '18:1 owner',
      '1:1 tenant.tier',
      '2:7 tenant.id',
      '4:3 tenant.teir',
      '7:16 tenant.features.ai_agents',
      '8:5 tenant.features.Dynamic-Pricing',
    ]);
    expect(error.message).toContain('4:3 tenant.teir: unknown key; did you mean tier?');
  });

  test('other extensions, absent files and files that are no text are refused', async () => {
    await expect(readTenantConfig(join(fixtures, 'tenant-100.toml'))).rejects.toThrow(ConfigurationError);
    await expect(readTenantConfig(join(fixtures, 'absent.yaml'))).rejects.toThrow(/absent\.yaml can't be read/);
    await writeFile(join(directory, 'latin.yml'), Buffer.from([0x61, 0x3a, 0x20, 0xe9]));
    await expect(readTenantConfig(join(directory, 'latin.yml'))).rejects.toThrow(/UTF-8/);
  });
});

describe('parseTenantConfigText', () => {
  test('duplicate keys are refused, in YAML and in JSON', () => {
    expect(issuesOf(`${head}  tier: premium\n`)).toEqual(['6:3 (document): the key stands here twice']);
    expect(issuesOf('{\n\t"tenant": {"id": "a",\n\t"id": "b"}}', 'json')).toEqual(['3:2 (document): the key stands here twice']);
  });

  test.each([
    ['tenant: [1', '1:'],
    ['tenant:\n\tid: a', '2:1 '],
    ['tenant: "x', '1:'],
    [`${head}---\ntenant: 1`, '6:1 '],
    ['tenant: !secret x', '1:9 '],
    ['? [a, b]\n: 1', '1:3 '],
  ])('%j is a syntax error with its place', (text, place) => {
    expect(issuesOf(text)[0]).toMatch(new RegExp(`^${place}`));
  });

  test('broken JSON is a syntax error with its place and without the text around it', () => {
    expect(issuesOf('{"tenant": {"id": hunter2}}', 'json')).toEqual(['1:19 (document): is not valid JSON from here on']);
    expect(issuesOf('{"tenant": ', 'json')).toEqual(['1:12 (document): is not valid JSON from here on']);
    expect(issuesOf('tenant:\n  id: a', 'json')).toHaveLength(1);
  });

  test('an alias may repeat a list, but not multiply, refer to itself or to nothing', () => {
    const config = parseTenantConfigText(`${head}  compliance:\n    data_residency: &r [eu-west-1]\n`, 'yaml', 'a');
    expect(config.compliance.data_residency).toEqual(['eu-west-1']);
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((name, index) => {
        const before = 'abcdefgh'[index];
        return `${name}: &${name} [${Array(9).fill(`*${before}`).join(',')}]`;
      }),
    ].join('\n');
    const before = performance.now();
    expect(issuesOf(bomb).join()).toContain('more than 16 aliases');
    expect(issuesOf('a: &a [x,x,x]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: [*c,*c,*c,*c]').join()).toContain('alias');
    expect(performance.now() - before).toBeLessThan(2000);
    expect(issuesOf('tenant: &t\n  id: *t').join()).toMatch(/alias|nested|expected/);
    expect(issuesOf('tenant: *nothing').join()).toContain('alias');
  });

  test('merge keys are no part of YAML 1.2: unknown, not merged', () => {
    expect(issuesOf(`${head}  <<: {tier: premium}\n`)).toEqual(['6:3 tenant."<<": unknown key']);
  });

  test('keys that look like numbers or constants stay the words they are', () => {
    expect(issuesOf(`${head}  features:\n    1: true\n    null: true\n`)[0]).toMatch(/^7:5 tenant\.features\.1: /);
    expect(parseTenantConfigText(`${head}  features:\n    null: true\n`, 'yaml', 'a').features).toEqual({ null: true });
  });

  test('__proto__ is refused at its place', () => {
    expect(issuesOf(`${head}  ai:\n    __proto__:\n      x: 1\n`)).toEqual(['7:5 tenant.ai.__proto__: unknown key']);
  });

  test('a byte order mark is skipped, an empty text and a text without end refused', () => {
    expect(parseTenantConfigText(`\uFEFF${head}`, 'yaml', 'a').id).toBe('a');
    expect(issuesOf('')).toHaveLength(1);
    expect(issuesOf(`# ${'x'.repeat(300_000)}`)).toEqual(['1:1 (document): is longer than 256 KiB']);
  });

  test.each([
    ['[', ']', 'json'],
    ['[', ']', 'yaml'],
    ['{a: ', '}', 'yaml'],
    ['- ', '', 'yaml'],
    ['? ', '', 'yaml'],
  ] as const)('bottomless nesting with %j is refused before it exhausts the parser', (open, close, format) => {
    expect(issuesOf(open.repeat(50_000) + close.repeat(50_000), format)).toEqual(['1:1 (document): is nested too deeply']);
    expect(issuesOf(open.repeat(60) + close.repeat(60), format).length).toBeGreaterThan(0);
  });
});
