import type { TenantColumns } from '../../control.ts';
import type { CliSession } from '../cli-session.ts';

/** A table's rows: every column of every tenant. */
export function rowsOf<T>(tenants: readonly TenantColumns<T>[]): readonly (T & { readonly tenantId: string })[] {
  return tenants.flatMap(({ tenantId, columns }) => columns.map((column) => ({ ...column, tenantId })));
}

/** Says what went wrong with tenants; in JSON the result has it. @returns whether anything did */
export function tenantErrors(session: CliSession, tenants: readonly TenantColumns<unknown>[]): boolean {
  const failed = tenants.filter(({ error }) => error !== undefined);
  for (const { error } of session.output.json ? [] : failed) session.output.error(error);
  return failed.length > 0;
}
