import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigurationError } from '../errors.ts';
import { readConfigDocument, type TextPosition } from '../tenant/config-document.ts';
import { checkDocument } from '../tenant/config-issues.ts';
import { type ConfigPath, formatConfigPath, type PathIssue } from '../tenant/config-path.ts';
import { interpolate } from './interpolate.ts';
import { keyManagerConfigSchema, keyManagerName, keyManagerNameKey, keyManagerSecrets, withAbsolutePaths } from './key-manager-config.ts';
import { secretsOf } from './mask-secrets.ts';

const region = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a region is small letters, digits and hyphens, like us-east-1');
const rolePrefix = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,7}$/, 'a role prefix starts with a small letter and has at most 8 small letters, digits and underscores');
const adminUrl = z
  .string()
  .refine(isPostgresUrl, 'must be a postgres:// URL with user and host; special characters of the password are percent-encoded');
const count = z.int().min(1);

const cliConfigSchema = z.strictObject({
  catalog: z.strictObject({ adminUrl, rolePrefix: rolePrefix.exactOptional() }),
  clusters: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[a-z][a-z0-9-]{0,47}$/, 'a cluster id is small letters, digits and hyphens'),
        region,
        adminUrl,
        host: z.string().min(1).exactOptional(),
        port: z.int().min(1).max(65_535).exactOptional(),
        rolePrefix: rolePrefix.exactOptional(),
        dedicated: z.boolean().exactOptional(),
        pooled: z.boolean().exactOptional(),
        maxLanes: count.exactOptional(),
        tls: z.enum(['disable', 'verify-full']).exactOptional(),
      }),
    )
    .min(1),
  migrations: z.strictObject({ directory: z.string().min(1), reference: z.string().min(1).exactOptional() }).exactOptional(),
  schema: z.string().min(1).exactOptional(),
  kms: z.array(keyManagerConfigSchema).min(1),
  tiers: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_-]{0,30}$/),
      z.strictObject({
        isolation: z.enum(['row', 'schema', 'database']),
        keyPolicy: z.enum(['platform', 'tenant', 'tenant-hsm']),
        dedicatedCluster: z.boolean(),
        priority: z.int(),
        maxLanes: count,
      }),
    )
    .exactOptional(),
});

/** The CLI's configuration, with variables filled in and paths made absolute. */
export type CliConfig = z.output<typeof cliConfigSchema> & {
  /** The passwords, PINs and secret keys in it, for masking what is printed. */
  readonly secrets: readonly string[];
};

/**
 * Reads `tenancy.yaml` (or a .json file). Relative paths in it are relative to its folder; `${VARIABLE}` in values comes from the
 * environment.
 *
 * @param path the file
 * @param env where variables are looked up
 * @throws {ConfigurationError} naming every wrong path and every missing variable, never a value
 * @example
 * ```ts
 * const config = await readCliConfig('tenancy.yaml', process.env);
 * ```
 */
export async function readCliConfig(path: string, env: Readonly<Record<string, string | undefined>>): Promise<CliConfig> {
  const document = readConfigDocument(await readText(path), path.endsWith('.json') ? 'json' : 'yaml');
  if (document.syntaxIssues.length > 0)
    throw configError(
      path,
      document.syntaxIssues.map((issue) => written(issue, '(document)', issue.message)),
    );

  const fail = (issues: readonly PathIssue[]): ConfigurationError =>
    configError(
      path,
      issues.map((issue) => written(document.locate(issue.path, issue.atKey), formatConfigPath(issue.path), issue.message)),
    );
  const { value, issues } = interpolate(document.value, env);
  if (issues.length > 0) throw fail(issues);
  const checked = checkDocument(cliConfigSchema, withListOfKms(value));
  const single = hasSingleKms(value);
  if (checked.issues !== undefined) throw fail(single ? checked.issues.map(withoutKmsIndex) : checked.issues);

  const config = checked.data;
  const repeated = [
    ...repetitions(
      config.clusters.map(({ id }) => id),
      (index) => ['clusters', index, 'id'],
      'another cluster has this id',
    ),
    ...repetitions(
      config.kms.map(keyManagerName),
      (index) => ['kms', index, keyManagerNameKey(config.kms[index]!)],
      'another key manager’s keys have this name; give one a name of its own',
    ),
    // Roles belong to a server: a second cluster of the same names would set new passwords on the first one's logins.
    ...repetitions(
      config.clusters.map((cluster, index) => (cluster.dedicated === true ? `${index}` : sharedRolesOf(cluster))),
      (index) => ['clusters', index, 'rolePrefix'],
      'another cluster on this server has this role prefix (tenancy unless told)',
    ),
  ];
  if (repeated.length > 0) throw fail(repeated);
  const folder = dirname(resolve(path));
  return Object.freeze({
    ...config,
    ...(config.migrations === undefined ? {} : { migrations: absolute(config.migrations, folder) }),
    ...(config.schema === undefined ? {} : { schema: resolve(folder, config.schema) }),
    kms: config.kms.map((kms) => withAbsolutePaths(kms, folder)),
    secrets: secretsOf(
      [config.catalog.adminUrl, ...config.clusters.map((cluster) => cluster.adminUrl)],
      config.kms.flatMap((kms) => keyManagerSecrets(kms)),
    ),
  });
}

function absolute({ directory, reference }: NonNullable<CliConfig['migrations']>, folder: string): NonNullable<CliConfig['migrations']> {
  return { directory: resolve(folder, directory), ...(reference === undefined ? {} : { reference: resolve(folder, reference) }) };
}

function sharedRolesOf({ adminUrl: url, rolePrefix: prefix }: CliConfig['clusters'][number]): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port || '5432'} ${prefix ?? 'tenancy'}`;
}

/** `kms` is one key manager, or a list of several. */
function hasSingleKms(value: unknown): value is { readonly kms: object } {
  const kms = typeof value === 'object' && value !== null && 'kms' in value ? value.kms : undefined;
  return typeof kms === 'object' && kms !== null && !Array.isArray(kms);
}

function withListOfKms(value: unknown): unknown {
  return hasSingleKms(value) ? { ...value, kms: [value.kms] } : value;
}

function withoutKmsIndex(issue: PathIssue): PathIssue {
  return issue.path[0] === 'kms' ? { ...issue, path: ['kms', ...issue.path.slice(2)] } : issue;
}

function repetitions(values: readonly string[], path: (index: number) => ConfigPath, message: string): readonly PathIssue[] {
  return values.flatMap((value, index) => (values.indexOf(value) < index ? [{ path: path(index), message }] : []));
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new ConfigurationError(`The configuration file ${path} can't be read.`, {
      cause,
      hint: 'Name it with --config or TENANCY_CONFIG, or run in the folder that holds tenancy.yaml.',
    });
  }
}

function written({ line, column }: TextPosition, path: string, message: string): string {
  return `${line}:${column} ${path === '(document)' ? '' : `${path}: `}${message}`;
}

function configError(path: string, issues: readonly string[]): ConfigurationError {
  return new ConfigurationError(`The configuration file ${basename(path)} can't be used: ${issues.join('; ')}.`);
}

function isPostgresUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return (url.protocol === 'postgres:' || url.protocol === 'postgresql:') && url.hostname !== '' && url.username !== '';
}
