import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { type ConfigIssue, ConfigurationError, TenantConfigError } from '../errors.ts';
import { type ConfigFormat, readConfigDocument, type TextPosition } from './config-document.ts';
import { formatConfigPath } from './config-path.ts';
import { checkTenantConfig, type TenantConfig } from './tenant-config.ts';

/** An issue with its place in the file, as `TenantConfigError.issues` holds after {@link readTenantConfig}; line and column count from 1. */
export interface LocatedConfigIssue extends ConfigIssue, TextPosition {}

const formats: Readonly<Record<string, ConfigFormat>> = Object.freeze({ '.yaml': 'yaml', '.yml': 'yaml', '.json': 'json' });

/**
 * Reads a tenant's configuration from a `.yaml`, `.yml` or `.json` file: the fields of {@link TenantConfigInput}, alone or under `tenant:`.
 * YAML 1.2, UTF-8, at most 262,144 characters.
 *
 * @throws {ConfigurationError} when the file can't be read or has another extension
 * @throws {TenantConfigError} listing everything wrong with it, each as a {@link LocatedConfigIssue}
 * @example
 * ```ts
 * const config = await readTenantConfig('tenants/tenant-100.yaml');
 * await control.provision(config);
 * ```
 */
export async function readTenantConfig(path: string): Promise<TenantConfig> {
  const format = formats[extname(path).toLowerCase()];
  if (format === undefined) {
    throw new ConfigurationError(`${basename(path)} is not a tenant file.`, { hint: 'Tenant files end in .yaml, .yml or .json.' });
  }
  return parseTenantConfigText(await readText(path), format, basename(path));
}

/**
 * Reads a tenant's configuration from a text.
 *
 * @param text the whole document
 * @param fileName how messages name the text
 * @throws {TenantConfigError} listing everything wrong with it, each as a {@link LocatedConfigIssue}
 * @example
 * ```ts
 * const config = parseTenantConfigText(body, 'json', 'request body');
 * ```
 */
export function parseTenantConfigText(text: string, format: ConfigFormat, fileName: string): TenantConfig {
  const document = readConfigDocument(text, format);
  if (document.syntaxIssues.length > 0) {
    throw fileError(
      fileName,
      document.syntaxIssues.map((issue) => ({ path: '(document)', ...issue })),
    );
  }
  const checked = checkTenantConfig(document.value);
  if (checked.config !== undefined) return checked.config;
  const issues = checked.issues.map(({ path, message, atKey }) => ({
    path: formatConfigPath(path),
    message,
    ...document.locate(path, atKey),
  }));
  throw fileError(fileName, issues, checked.tenantId, checked.cause);
}

async function readText(path: string): Promise<string> {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (cause) {
    throw new ConfigurationError(`The tenant file ${basename(path)} can't be read.`, {
      cause,
      hint: 'Check that it exists, may be read and holds UTF-8 text.',
    });
  }
}

function fileError(fileName: string, issues: readonly LocatedConfigIssue[], tenantId?: string, cause?: Error): TenantConfigError {
  const list = issues
    .map(({ path, line, column, message }) => `${line}:${column} ${path === '(document)' ? '' : `${path}: `}${message}`)
    .join('; ');
  return new TenantConfigError(`The tenant file ${fileName} can't be used: ${list}.`, Object.freeze([...issues]), { tenantId, cause });
}
