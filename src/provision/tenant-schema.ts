import type { Sql } from 'postgres';
import { ProvisioningError } from '../errors.ts';
import { quoteIdentifier, quoteLiteral } from '../sql/identifier.ts';
import { inTransaction } from '../sql/transaction.ts';
import type { TenantId } from '../tenant/tenant-id.ts';

/**
 * Makes a tenant's schema. Its comment says whose it is, so that running again after a failure finds the schema that the first
 * run made, and a schema of the same name that somebody else made is never taken over.
 *
 * @param owner a client logged in as the database's owner
 * @param tenantId the tenant, or undefined for the pool schema of `row` isolation
 * @returns whether it was made by this call
 * @throws {ProvisioningError} when a schema of that name exists and is not this tenant's
 */
export async function createTenantSchema(owner: Sql, schema: string, tenantId: TenantId | undefined): Promise<boolean> {
  const mark = tenantId === undefined ? 'tenancy: pool' : `tenancy: tenant ${tenantId}`;
  return await inTransaction(owner, async (sql) => {
    const [found] = await sql<{ mark: string | null }[]>`
      select pg_catalog.obj_description(oid, 'pg_namespace') as mark from pg_catalog.pg_namespace where nspname = ${schema}`;
    if (found !== undefined) {
      if (found.mark === mark) return false;
      throw new ProvisioningError(`The schema "${schema}" exists already and was not made for ${tenantId ?? 'the pool'}.`, {
        step: 'schema',
        tenantId,
        hint: 'Choose another tenant id, or find out who made the schema before removing it.',
      });
    }
    await sql.unsafe(`create schema ${quoteIdentifier(schema)}`);
    await sql.unsafe(`comment on schema ${quoteIdentifier(schema)} is ${quoteLiteral(mark)}`);
    return true;
  });
}

/** Drops a tenant's schema with everything in it. */
export async function dropTenantSchema(owner: Sql, schema: string): Promise<void> {
  await owner.unsafe(`drop schema if exists ${quoteIdentifier(schema)} cascade`);
}
