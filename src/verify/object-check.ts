import { callable } from '../rls/grant-plan.ts';
import { type RelationFacts, readRelations } from '../rls/relation-facts.ts';
import { type RoutineFacts, readRoutines } from '../rls/routine-facts.ts';
import { type DatabaseCheck, locate, ownSchemas, type VerifiedDatabase } from './database-check.ts';
import type { Finding, Severity } from './finding.ts';

/** Objects that go past policies: views of their owner's, materialised views, foreign tables, loose SECURITY DEFINER functions, large objects. */
export const checkObjects: DatabaseCheck = async (sql, database) => {
  // Anywhere in the database, also where nothing of ours is: the service login may reach it by a grant or by search_path.
  const [found] = await sql<{ names: string[] }[]>`
    select coalesce(json_agg(nspname), '[]'::json) as names from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'extensions')`;
  const schemas = [...new Set([...(found?.names ?? []), ...ownSchemas(database)])];
  const relations = (await readRelations(sql, schemas)).filter(({ kind }) => kind === 'v' || kind === 'm' || kind === 'f');
  const routines = await readRoutines(sql, schemas);
  const [large] = await sql<
    { n: number }[]
  >`select count(*)::int as n from pg_largeobject_metadata where pg_get_userbyid(lomowner) = ${database.appRole}`;
  const findings = [
    ...relations.flatMap((relation) => relationFindings(database, relation)),
    ...routines.flatMap((routine) => routineFindings(database, routine)),
    ...((large?.n ?? 0) === 0
      ? []
      : [
          {
            id: 'large-objects',
            severity: 'error',
            location: locate(database, 'large objects'),
            message: `The service login has ${large?.n} large objects: every tenant can read them.`,
            remedy: 'Keep such bytes in a bytea column of a tenant table.',
          } satisfies Finding,
        ]),
  ];
  return { findings, checked: relations.length + routines.length + 1 };
};

function relationFindings(database: VerifiedDatabase, relation: RelationFacts): Finding[] {
  const reachable = relation.grants.some(({ grantee }) => grantee === database.appRole || grantee === 'PUBLIC');
  const severity: Severity = reachable ? 'critical' : 'warning';
  const location = locate(database, `${relation.schema}.${relation.name}`);
  const closed = reachable ? '' : ' The service login may not read it.';
  if (relation.kind === 'm') {
    return [
      {
        id: 'materialised-view',
        severity,
        location,
        message: `A materialised view holds rows that no policy protects.${closed}`,
        remedy: 'Make it a table with tenant_id, or keep it out of services’ reach.',
      },
    ];
  }
  if (relation.kind === 'f') {
    return [
      {
        id: 'foreign-table',
        severity,
        location,
        message: `A foreign table has no row-level security.${closed}`,
        remedy: 'Keep it out of services’ reach.',
      },
    ];
  }
  if (relation.invoker) return [];
  return [
    {
      id: 'view-not-invoker',
      severity,
      location,
      message: `A view runs as its owner, past the caller’s policies.${closed}`,
      remedy: 'Create it with (security_invoker = true), from PostgreSQL 15 on.',
    },
  ];
}

/** The functions of schema `tenancy` that services may call. */
const forServices: ReadonlySet<string> = new Set([
  'tenancy.current_tenant_id()',
  'tenancy.in_maintenance()',
  'tenancy.require_tenant(text)',
]);

function routineFindings(database: VerifiedDatabase, routine: RoutineFacts): Finding[] {
  const location = locate(database, routine.signature);
  const found: Finding[] = [];
  if (routine.definer && !routine.pinned) {
    found.push({
      id: 'definer-search-path',
      severity: 'critical',
      location,
      message: 'A SECURITY DEFINER function has no pinned search_path: its caller chooses what its names mean.',
      remedy: 'alter function … set search_path = pg_catalog, pg_temp; and qualify its names.',
    });
  }
  const allowed = routine.schema === 'tenancy' ? forServices.has(routine.signature) : callable(routine);
  for (const grantee of routine.grantees) {
    if (grantee === database.ownerRole || (grantee === database.appRole && allowed)) continue;
    const unimportant = !routine.definer && routine.schema !== 'tenancy';
    found.push({
      id: 'routine-grant-excess',
      severity: unimportant ? 'warning' : 'critical',
      location,
      message: `"${grantee}" may execute it.`,
      remedy: 'Revoke execute, or run `tenancy migrate up`.',
    });
  }
  return found;
}
