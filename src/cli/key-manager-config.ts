import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';

const text = z.string().min(1);
const count = z.int().min(1);
const milliseconds = z.number().gt(0).max(3_600_000);
const labels = z.record(text, z.string());
const region = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a region is small letters, digits and hyphens, like us-east-1');

/** What wrapped keys name the manager by, where the default would name two. */
const name = z.string().regex(/^[a-z0-9][a-z0-9/._-]{0,62}$/, 'a name is small letters, digits, dots, hyphens, underscores and slashes');

const remote = {
  name: name.exactOptional(),
  deadlineMs: milliseconds.exactOptional(),
  attemptMs: milliseconds.exactOptional(),
  attempts: count.exactOptional(),
  backoffMs: milliseconds.exactOptional(),
  maxBackoffMs: milliseconds.exactOptional(),
  breakAfter: count.exactOptional(),
  breakMs: milliseconds.exactOptional(),
};

const local = z.strictObject({
  provider: z.literal('local'),
  name: name.exactOptional(),
  file: text,
  region,
  allowSoftwareHsm: z.boolean().exactOptional(),
});

const aws = z.strictObject({
  provider: z.literal('aws'),
  region,
  credentials: z.strictObject({ accessKeyId: text, secretAccessKey: text, sessionToken: text.exactOptional() }).exactOptional(),
  endpoint: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).exactOptional(),
  keyPolicy: text.exactOptional(),
  tags: labels.exactOptional(),
  customKeyStoreId: text.exactOptional(),
  ...remote,
});

const gcp = z.strictObject({
  provider: z.literal('gcp'),
  project: text,
  location: region,
  keyRing: text,
  credentialsFile: text.exactOptional(),
  apiEndpoint: text.exactOptional(),
  rest: z.boolean().exactOptional(),
  destroyDays: z.int().min(1).max(120).exactOptional(),
  labels: labels.exactOptional(),
  ...remote,
});

const azure = z.strictObject({
  provider: z.literal('azure'),
  vaultUrl: z.url({ protocol: /^https$/, error: 'must be the https URL of a vault' }),
  region,
  managedHsm: z.boolean().exactOptional(),
  tags: labels.exactOptional(),
  ...remote,
});

const pkcs11 = z.strictObject({
  provider: z.literal('pkcs11'),
  name: name.exactOptional(),
  module: text,
  tokenLabel: text.exactOptional(),
  slot: z.int().min(0).exactOptional(),
  pin: text,
  region,
  softwareTokenAsHsm: z.boolean().exactOptional(),
});

/** One entry of `kms` in the configuration file: the options of its key manager, as far as a file can hold them. */
export const keyManagerConfigSchema = z.discriminatedUnion('provider', [local, aws, gcp, azure, pkcs11], {
  error: ({ code, input }) =>
    code === 'invalid_union' && typeof input === 'object'
      ? 'must be local, aws, gcp, azure or pkcs11'
      : 'must be the options of a key manager',
});

export type KeyManagerConfig = z.output<typeof keyManagerConfigSchema>;

/** The name that its wrapped keys bear, as {@link KeyManager.provider} has it. */
export function keyManagerName(kms: KeyManagerConfig): string {
  if (kms.name !== undefined) return kms.name;
  if (kms.provider === 'azure') return `azure/${new URL(kms.vaultUrl).hostname}`;
  return `${kms.provider}/${kms.provider === 'gcp' ? kms.location : kms.region}`;
}

/** The key that its name comes from: where to say that another has the same. */
export function keyManagerNameKey({ name: own, provider }: KeyManagerConfig): string {
  if (own !== undefined) return 'name';
  return provider === 'azure' ? 'vaultUrl' : provider === 'gcp' ? 'location' : 'region';
}

/** What of it must not be printed. */
export function keyManagerSecrets(kms: KeyManagerConfig): readonly string[] {
  if (kms.provider === 'pkcs11') return [kms.pin];
  if (kms.provider !== 'aws' || kms.credentials === undefined) return [];
  const { secretAccessKey, sessionToken } = kms.credentials;
  return sessionToken === undefined ? [secretAccessKey] : [secretAccessKey, sessionToken];
}

/** The same with its files' paths made absolute; a library's bare name stays one, for the system to find. */
export function withAbsolutePaths(kms: KeyManagerConfig, folder: string): KeyManagerConfig {
  if (kms.provider === 'local') return { ...kms, file: resolve(folder, kms.file) };
  if (kms.provider === 'gcp' && kms.credentialsFile !== undefined) return { ...kms, credentialsFile: resolve(folder, kms.credentialsFile) };
  if (kms.provider === 'pkcs11' && !isAbsolute(kms.module) && /[\\/]/.test(kms.module))
    return { ...kms, module: resolve(folder, kms.module) };
  return kms;
}
