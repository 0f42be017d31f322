import { referenceGrants, tenantGrants } from '../rls/grant-plan.ts';
import { readRelations } from '../rls/relation-facts.ts';
import { type DatabaseCheck, locate, ownSchemas, type VerifiedDatabase } from './database-check.ts';
import type { Finding } from './finding.ts';

interface GrantFacts {
  readonly object: string;
  readonly grantee: string;
  readonly privilege: string;
}

/** Nobody but the owner has more than services need: rows of tenant tables, reading reference tables, no keys, nothing to create. */
export const checkGrants: DatabaseCheck = async (sql, database) => {
  const relations = await readRelations(sql, ownSchemas(database));
  const onRelations = relations.flatMap((relation) => {
    const wanted =
      relation.schema === 'tenancy' ? [] : relation.schema === 'reference' ? referenceGrants(relation) : tenantGrants(relation);
    const id = relation.schema === 'tenancy' && relation.name === 'context_keys' ? 'context-keys-readable' : 'grant-excess';
    const object = `${relation.schema}.${relation.name}`;
    return relation.grants
      .filter(({ grantee, privilege, column }) => grantee !== database.appRole || column !== null || !wanted.includes(privilege))
      .map(({ grantee, privilege, column }) =>
        excess(database, id, { object: column === null ? object : `${object}.${column}`, grantee, privilege }),
      );
  });
  const places = await checkPlaceGrants(sql, database);
  return { findings: [...onRelations, ...places.findings], checked: relations.length + places.checked };
};

/** The same of what holds relations: schemas, the database, and what whatever is made next is born with. */
export const checkPlaceGrants: DatabaseCheck = async (sql, database) => {
  const schemas = await sql<GrantFacts[]>`
    select n.nspname::text as object, case when g.grantee = 0 then 'PUBLIC' else pg_get_userbyid(g.grantee)::text end as grantee, g.privilege_type as privilege
    from pg_namespace n cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) g
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and g.grantee <> n.nspowner`;
  const databases = await sql<GrantFacts[]>`
    select d.datname::text as object, case when g.grantee = 0 then 'PUBLIC' else pg_get_userbyid(g.grantee)::text end as grantee, g.privilege_type as privilege
    from pg_database d cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) g
    where d.datname = current_database() and g.grantee <> d.datdba`;
  // What others will be given of everything that is made from now on.
  const defaults = await sql<GrantFacts[]>`
    select 'default privileges of ' || pg_get_userbyid(d.defaclrole) || coalesce(' in ' || n.nspname, '') as object,
      case when g.grantee = 0 then 'PUBLIC' else pg_get_userbyid(g.grantee)::text end as grantee, g.privilege_type as privilege
    from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace cross join lateral aclexplode(d.defaclacl) g
    where d.defaclrole = ${database.ownerRole}::regrole and d.defaclobjtype <> 'T' and g.grantee <> d.defaclrole`;
  const usable = new Set(ownSchemas(database).concat('extensions'));
  const findings = [
    ...schemas
      // The owner may have been given schema public, which on older servers is a superuser's.
      .filter(
        ({ object, grantee, privilege }) =>
          grantee !== database.ownerRole && !(grantee === database.appRole && privilege === 'USAGE' && usable.has(object)),
      )
      .map((grant) => excess(database, 'schema-grant-excess', grant)),
    ...databases
      .filter(({ grantee, privilege }) => !(grantee === database.appRole && privilege === 'CONNECT'))
      .map((grant) => excess(database, 'database-grant-excess', grant)),
    ...defaults.map((grant) => excess(database, 'default-privileges', grant)),
  ];
  return { findings, checked: schemas.length + databases.length + 1 };
};

function excess(database: VerifiedDatabase, id: string, { object, grantee, privilege }: GrantFacts): Finding {
  return {
    id,
    severity: 'critical',
    location: locate(database, object),
    message: `"${grantee}" has ${privilege}.`,
    remedy: `Revoke it; on a tenant's tables \`tenancy migrate up\` does so for the service login and PUBLIC.`,
  };
}
