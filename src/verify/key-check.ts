import { type KeyFacts, readKeys } from '../rls/key-facts.ts';
import { type DatabaseCheck, locate, type VerifiedDatabase } from './database-check.ts';
import type { Finding } from './finding.ts';

/** Keys begin with tenant_id, foreign keys lead from tenant_id to tenant_id within the schema, and all of them were checked. */
export const checkKeys: DatabaseCheck = async (sql, database) => {
  const keys = await readKeys(
    sql,
    database.schemas.map(({ schema }) => schema),
  );
  return { checked: keys.length, findings: keys.flatMap((key) => keyFindings(database, key)) };
};

function keyFindings(database: VerifiedDatabase, key: KeyFacts): Finding[] {
  const location = locate(database, `${key.schema}.${key.table} ${key.name}`);
  const found: Finding[] = [];
  if (!key.leading && key.kind === 'foreign') {
    found.push({
      id: 'foreign-key-not-tenant-leading',
      severity: 'critical',
      location,
      message: 'A foreign key does not lead from tenant_id to tenant_id: its check goes past policies.',
      remedy: 'Make it (tenant_id, …) references …(tenant_id, …) in a migration.',
    });
  } else if (!key.leading) {
    found.push({
      id: key.kind === 'exclusion' ? 'exclusion-not-tenant-leading' : 'key-not-tenant-leading',
      severity: 'error',
      location,
      message: 'A unique key does not begin with tenant_id: it tells tenants of each other’s values.',
      remedy: 'Make it (tenant_id, …) in a migration.',
    });
  }
  if (!key.inside) {
    found.push({
      id: 'foreign-key-leaves-schema',
      severity: 'critical',
      location,
      message: 'A foreign key points into another schema.',
      remedy: 'Refer to tables of the same schema, or of schema reference.',
    });
  }
  if (!key.valid) {
    found.push({
      id: 'key-not-valid',
      severity: 'error',
      location,
      message: 'The key is not valid: it was never checked against all rows.',
      remedy: 'Validate or rebuild it under the tenant’s context.',
    });
  }
  return found;
}
