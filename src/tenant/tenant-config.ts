import { z } from 'zod';
import { type ConfigIssue, InvalidTenantIdError, TenantConfigError } from '../errors.ts';
import { checkDocument } from './config-issues.ts';
import { formatConfigPath, type PathIssue } from './config-path.ts';
import { parseTenantId } from './tenant-id.ts';

const region = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a region is small letters, digits and hyphens, like us-east-1');

/** A name that the platform's services look features and integrations up by. */
const settingName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,62}$/, 'a name here is small letters, digits and underscores, like demand_forecasting');

const word = z.string().trim().min(1, 'must not be empty').max(200);

/** The shape of a tenant's file; every object refuses keys that it does not know. */
const tenantConfigSchema = z.strictObject({
  id: z.string(),
  name: word.regex(/^\P{Cc}*$/u, 'must not hold control characters'),
  tier: z.string().regex(/^[a-z][a-z0-9_-]{0,30}$/, 'a tier is small letters, digits, hyphens and underscores, like enterprise'),
  region,
  features: z.record(settingName, z.boolean()).default({}),
  branding: z
    .strictObject({
      primary_color: z
        .string()
        .regex(/^#[0-9a-fA-F]{6}$/, 'a colour is # and six hexadecimal digits, quoted in YAML')
        .optional(),
      logo_url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).optional(),
    })
    .default({}),
  integrations: z.record(settingName, word).default({}),
  compliance: z
    .strictObject({
      pci_dss_level: z.int().min(1).max(4).optional(),
      hipaa: z.boolean().optional(),
      data_residency: z.array(region).min(1).optional(),
    })
    .default({}),
  ai: z
    .strictObject({
      llm_provider: word.optional(),
      self_hosted_models: z.boolean().optional(),
      agent_memory_ttl: z
        .string()
        .regex(/^\d{1,6}[smhdw]$/, 'a duration is a number and s, m, h, d or w, like 30d')
        .optional(),
    })
    .default({}),
});

/** One tenant's configuration as {@link parseTenantConfig} answers it: defaults filled in, frozen all through. */
export type TenantConfig = z.output<typeof tenantConfigSchema>;

/**
 * What a caller may write: `id`, `name`, `tier` and `region`; everything else may be left out, and unknown keys are refused.
 *
 * `compliance.data_residency` lists every region in which the tenant's data may be, its own among them; that one alone unless told.
 * `features`, `branding`, `integrations` and `ai` are for the platform's services: the library checks and stores them and acts on none.
 * `ai.agent_memory_ttl` is a number and s, m, h, d or w.
 *
 * @example
 * ```ts
 * const acme: TenantConfigInput = {
 *   id: 'acme',
 *   name: 'Acme Retail',
 *   tier: 'enterprise',
 *   region: 'eu-central-1',
 *   features: { demand_forecasting: true },
 *   branding: { primary_color: '#003366', logo_url: 'https://acme.example/logo.svg' },
 *   integrations: { erp: 'sap' },
 *   compliance: { pci_dss_level: 1, hipaa: false, data_residency: ['eu-central-1', 'eu-west-1'] },
 *   ai: { llm_provider: 'self-hosted', self_hosted_models: true, agent_memory_ttl: '30d' },
 * };
 * ```
 */
export type TenantConfigInput = z.input<typeof tenantConfigSchema>;

/**
 * Checks a tenant's configuration: the object under `tenant:` of the YAML file, or the whole document.
 *
 * @param value what a file, a request or a caller gave
 * @returns the configuration with defaults filled in, frozen all through
 * @throws {TenantConfigError} listing every unknown key and wrong value by its path, the id among them
 * @example
 * ```ts
 * const config = parseTenantConfig({ tenant: { id: 'tenant-100', name: 'Acme Retail', tier: 'enterprise', region: 'us-east-1' } });
 * ```
 */
export function parseTenantConfig(value: unknown): TenantConfig {
  const checked = checkTenantConfig(value);
  if (checked.config !== undefined) return checked.config;
  const issues = checked.issues.map(({ path, message }): ConfigIssue => ({ path: formatConfigPath(path), message }));
  const list = issues.map((issue) => `${issue.path}: ${issue.message}`).join('; ');
  throw new TenantConfigError(`The tenant configuration can't be used: ${list}.`, issues, {
    tenantId: checked.tenantId,
    cause: checked.cause,
  });
}

/** A configuration, or everything wrong with it by path. */
export type CheckedTenantConfig =
  | { readonly config: TenantConfig; readonly issues?: never }
  | {
      readonly config?: never;
      readonly issues: readonly PathIssue[];
      readonly tenantId: string | undefined;
      readonly cause: Error | undefined;
    };

/** Checks like {@link parseTenantConfig}, but hands the issues back, for a reader that knows more about where they stand. */
export function checkTenantConfig(value: unknown): CheckedTenantConfig {
  const wrapped = isRecord(value) && Object.hasOwn(value, 'tenant');
  const prefix = wrapped ? ['tenant'] : [];
  const tenant = wrapped ? value['tenant'] : value;
  const siblings = wrapped ? Object.keys(value).filter((key) => key !== 'tenant') : [];
  const issues: PathIssue[] = siblings.map((key) => ({ path: [key], message: 'unknown key: only tenant stands at the top', atKey: true }));
  const checked = checkDocument(tenantConfigSchema, tenant, prefix);
  issues.push(...(checked.issues ?? residencyIssues(checked.data, prefix)));

  const id = isRecord(tenant) && typeof tenant['id'] === 'string' ? tenant['id'] : undefined;
  const refused = id === undefined ? undefined : idError(id);
  if (refused !== undefined) issues.push({ path: [...prefix, 'id'], message: refused.message });
  if (issues.length > 0 || checked.data === undefined) {
    return { issues, tenantId: refused === undefined ? id : undefined, cause: refused };
  }
  return { config: deepFreeze(checked.data) };
}

/** Every region in which the tenant's data may be: its own alone unless `compliance.data_residency` says more. */
export function residencyOf(config: TenantConfig): readonly string[] {
  return config.compliance.data_residency ?? [config.region];
}

function residencyIssues(config: TenantConfig, prefix: readonly string[]): PathIssue[] {
  const path = [...prefix, 'compliance', 'data_residency'];
  const allowed = config.compliance.data_residency;
  if (allowed === undefined) return [];
  const repeated = allowed.flatMap((name, index) =>
    allowed.indexOf(name) < index ? [{ path: [...path, index], message: `${name} stands here twice` }] : [],
  );
  return allowed.includes(config.region)
    ? repeated
    : [...repeated, { path, message: `must allow the tenant's own region, ${config.region}` }];
}

function idError(id: string): InvalidTenantIdError | undefined {
  try {
    parseTenantId(id);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidTenantIdError) return error;
    throw error;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
