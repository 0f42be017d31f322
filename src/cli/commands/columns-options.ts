import type { Command } from 'commander';
import type { ColumnScope } from '../../control.ts';
import { ConfigurationError } from '../../errors.ts';
import { parseTenantId } from '../../tenant/tenant-id.ts';
import { collect } from '../arguments.ts';
import type { CliConfig } from '../cli-config.ts';
import type { CliSession } from '../cli-session.ts';
import { loadSchema } from '../load-schema.ts';

/** What every command on columns is told. */
export interface ColumnsOptions {
  readonly schema?: string;
  readonly tenant?: readonly string[];
  readonly column?: readonly string[];
}

export function withColumnsOptions(command: Command): Command {
  return command
    .option('--schema <module>', 'the module of the services’ drizzle schema; else `schema` of the configuration file')
    .option('--tenant <id>', 'only this tenant; may be given several times', collect)
    .option('--column <table.column>', 'only this column; may be given several times', collect);
}

/** @throws {ConfigurationError} when no schema is named or it can't be imported @throws {InvalidTenantIdError} */
export async function columnScope(session: CliSession, options: ColumnsOptions, config: CliConfig): Promise<ColumnScope> {
  const tenants = options.tenant?.map(parseTenantId);
  const path = options.schema === undefined ? config.schema : session.path(options.schema);
  if (path === undefined) {
    throw new ConfigurationError('Which columns there are is not known.', {
      hint: 'Name the module of the services’ drizzle schema with --schema, or as `schema` in the configuration file.',
    });
  }
  return { schema: await loadSchema(path), tenants, columns: options.column, signal: session.signal };
}
