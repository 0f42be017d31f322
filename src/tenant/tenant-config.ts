import { z } from 'zod';
import { type ConfigIssue, TenantConfigError } from '../errors.ts';
import { parseTenantId } from './tenant-id.ts';

const scalar = z.union([z.string(), z.number(), z.boolean()]);

const region = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a region is small letters, digits and hyphens, like us-east-1');

/** The shape of "Tenant Configuration" in the architecture document; every object refuses keys that it does not know. */
const tenantConfigSchema = z.strictObject({
  id: z.string(),
  name: z.string().trim().min(1).max(200),
  tier: z.string().min(1),
  region,
  features: z.record(z.string(), z.boolean()).default({}),
  branding: z.strictObject({
    primary_color: z.string().regex(/^#[0-9a-fA-F]{6}$/, 'a colour is # and six hexadecimal digits').optional(),
    logo_url: z.url({ protocol: /^https?$/ }).optional(),
  }).default({}),
  integrations: z.record(z.string(), z.string()).default({}),
  compliance: z.strictObject({
    pci_dss_level: z.int().min(1).max(4).optional(),
    hipaa: z.boolean().optional(),
    data_residency: z.array(region).min(1).optional(),
  }).default({}),
  ai: z.strictObject({
    llm_provider: z.string().optional(),
    self_hosted_models: z.boolean().optional(),
    agent_memory_ttl: z.string().regex(/^\d+[smhdw]$/, 'a duration is a number and s, m, h, d or w, like 30d').optional(),
  }).catchall(scalar).default({}),
});

/** One tenant's configuration; frozen all through. */
export type TenantConfig = z.output<typeof tenantConfigSchema>;

/** What a caller may write: fields with defaults may be left out. */
export type TenantConfigInput = z.input<typeof tenantConfigSchema>;

/**
 * Checks a tenant's configuration: the object under `tenant:` of the YAML file, or the whole document.
 *
 * @throws {TenantConfigError} listing every unknown key and wrong value by its path
 * @throws {InvalidTenantIdError} when the id can't be used
 */
export function parseTenantConfig(value: unknown): TenantConfig {
  const wrapped = isRecord(value) && 'tenant' in value;
  if (wrapped) refuseSiblings(value as Record<string, unknown>);
  const result = tenantConfigSchema.safeParse(wrapped ? (value as Record<string, unknown>)['tenant'] : value);
  if (!result.success) {
    const issues = result.error.issues.flatMap((issue) => issuesOf(issue, wrapped ? ['tenant'] : []));
    throw configError(issues);
  }
  parseTenantId(result.data.id);
  const residency = result.data.compliance.data_residency;
  if (residency !== undefined && !residency.includes(result.data.region)) {
    throw configError([{ path: [...(wrapped ? ['tenant'] : []), 'compliance', 'data_residency'].join('.'), message: `must allow the tenant's own region, ${result.data.region}` }], result.data.id);
  }
  return deepFreeze(result.data);
}

/** Every region in which the tenant's data may be: its own alone unless `compliance.data_residency` says more. */
export function residencyOf(config: TenantConfig): readonly string[] {
  return config.compliance.data_residency ?? [config.region];
}

function refuseSiblings(document: Record<string, unknown>): void {
  const issues = Object.keys(document).filter((key) => key !== 'tenant').map((key) => ({ path: key, message: 'unknown key' }));
  if (issues.length > 0) throw configError(issues);
}

function issuesOf(issue: z.core.$ZodIssue, prefix: readonly string[]): ConfigIssue[] {
  const path = [...prefix, ...issue.path.map(String)];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: 'unknown key' }));
  return [{ path: path.join('.') || '(document)', message: issue.message }];
}

function configError(issues: readonly ConfigIssue[], tenantId?: string): TenantConfigError {
  const list = issues.map((issue) => `${issue.path}: ${issue.message}`).join('; ');
  return new TenantConfigError(`The tenant configuration can't be used: ${list}.`, issues, { tenantId });
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
