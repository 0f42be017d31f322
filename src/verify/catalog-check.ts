import type { Sql, TransactionSql } from 'postgres';
import { readRelations } from '../rls/relation-facts.ts';
import { inTransaction } from '../sql/transaction.ts';
import { type CatalogStructure, catalogStructure } from './catalog-structure.ts';
import { type CheckResult, locate, type VerifiedDatabase } from './database-check.ts';
import type { Finding, Severity } from './finding.ts';
import { checkPlaceGrants } from './grant-check.ts';
import { checkHardening } from './hardening-check.ts';
import { checkReach } from './reach-check.ts';
import { checkRoles } from './role-check.ts';

/** The control plane's own database, by its names. */
export interface VerifiedCatalog {
  readonly database: string;
  readonly ownerRole: string;
  readonly catalogRole: string;
}

/**
 * Holds the catalog's database against what this package installs: its files, functions, triggers, grants and roles. Whoever may write a
 * placement says where a tenant's rows are, and whoever may change an audit entry hides what was done. Writes nothing.
 *
 * @param sql an administrator's or the owner's client on the catalog's database
 */
export async function verifyCatalog(sql: Sql, catalog: VerifiedCatalog): Promise<CheckResult> {
  const shipped = catalogStructure({ owner: catalog.ownerRole, catalog: catalog.catalogRole });
  const database: VerifiedDatabase = {
    clusterId: 'catalog',
    database: catalog.database,
    ownerRole: catalog.ownerRole,
    appRole: catalog.catalogRole,
    schemas: [],
  };
  return await inTransaction(
    sql,
    async (transaction) => {
      await transaction`set local search_path = pg_catalog, pg_temp`;
      const results: CheckResult[] = [
        await checkFiles(transaction, database, shipped),
        await checkFunctions(transaction, database, shipped),
        await checkTriggers(transaction, database, shipped),
        await checkRelations(transaction, database, shipped),
      ];
      for (const check of [checkPlaceGrants, checkRoles, checkHardening, checkReach]) results.push(await check(transaction, database));
      return {
        findings: results.flatMap(({ findings }) => findings),
        checked: results.reduce((sum, { checked }) => sum + checked, 0),
      };
    },
    'isolation level repeatable read read only',
  );
}

type Check = (sql: Sql | TransactionSql, database: VerifiedDatabase, shipped: CatalogStructure) => Promise<CheckResult>;

const restore = 'Find out who changed it, then restore it from migrations/catalog.';

const checkFiles: Check = async (sql, database, { files }) => {
  const applied = await sql<{ name: string; checksum: string }[]>`select name, checksum from tenancy.schema_migrations`;
  const findings = files.flatMap((file): Finding[] => {
    if (applied.some(({ name, checksum }) => name === file.name && checksum === file.checksum)) return [];
    return [
      finding(
        database,
        'catalog-outdated',
        'error',
        'schema tenancy',
        `migrations/catalog/${file.name} was not applied as it is shipped.`,
        'Run `tenancy init`.',
      ),
    ];
  });
  return { findings, checked: files.length };
};

const checkFunctions: Check = async (sql, database, { functions, executable }) => {
  const found = await sql<
    { name: string; source: string; definer: boolean; owner: string; config: string; language: string; grantees: string[] }[]
  >`
    select p.proname::text as name, p.prosrc as source, p.prosecdef as definer, pg_get_userbyid(p.proowner)::text as owner,
      coalesce(array_to_string(p.proconfig, ';'), '') as config, l.lanname::text as language,
      coalesce((
        select json_agg(case when g.grantee = 0 then 'PUBLIC' else pg_get_userbyid(g.grantee)::text end order by g.grantee)
        from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g where g.grantee <> p.proowner
      ), '[]'::json) as grantees
    from pg_proc p join pg_language l on l.oid = p.prolang where p.pronamespace = to_regnamespace('tenancy') order by 1`;
  const findings: Finding[] = [];
  for (const [name, expected] of functions) {
    const same = found.filter((candidate) => candidate.name === name);
    const intact = same.every(
      ({ source, definer, owner, config, language }) =>
        source === expected.source &&
        definer === expected.definer &&
        owner === database.ownerRole &&
        language === expected.language &&
        config === (expected.pinned ? 'search_path=pg_catalog, pg_temp' : ''),
    );
    if (same.length !== 1 || !intact)
      findings.push(
        finding(
          database,
          'function-changed',
          'critical',
          `tenancy.${name}`,
          'The function is missing, or is not the one that this package installs.',
          restore,
        ),
      );
  }
  for (const { name, definer, grantees } of found) {
    if (!functions.has(name))
      findings.push(
        finding(
          database,
          'function-unknown',
          definer ? 'critical' : 'warning',
          `tenancy.${name}`,
          'There is a function that this package does not install.',
          'Drop it, or keep it in a schema of its own.',
        ),
      );
    for (const grantee of grantees) {
      if (grantee === database.appRole && executable.has(name)) continue;
      findings.push(
        finding(database, 'routine-grant-excess', 'critical', `tenancy.${name}`, `"${grantee}" may execute it.`, 'Revoke execute.'),
      );
    }
    if (executable.has(name) && !grantees.includes(database.appRole)) findings.push(missing(database, `tenancy.${name}`, 'execute'));
  }
  return { findings, checked: functions.size + found.length };
};

const checkTriggers: Check = async (sql, database, { triggers }) => {
  const found = await sql<{ key: string; enabled: string; calls: string }[]>`
    select c.relname || '.' || t.tgname as key, t.tgenabled::text as enabled, n.nspname::text as calls
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid join pg_namespace n on n.oid = p.pronamespace
    where c.relnamespace = to_regnamespace('tenancy') and not t.tgisinternal`;
  const findings: Finding[] = [];
  for (const [key, { always }] of triggers) {
    const trigger = found.find((candidate) => candidate.key === key);
    const fires = always ? trigger?.enabled === 'A' : trigger?.enabled === 'O' || trigger?.enabled === 'A';
    if (!fires || trigger?.calls !== 'tenancy')
      findings.push(
        finding(
          database,
          'trigger-missing',
          'critical',
          `tenancy.${key}`,
          'The trigger is missing, rests, or calls another function: entries and placements change without it.',
          restore,
        ),
      );
  }
  for (const { key } of found) {
    if (triggers.has(key)) continue;
    findings.push(
      finding(
        database,
        'trigger-unknown',
        'error',
        `tenancy.${key}`,
        'There is a trigger that this package does not install: it sees and changes what is written.',
        'Drop it, or find out who needs it.',
      ),
    );
  }
  return { findings, checked: triggers.size + found.length };
};

const checkRelations: Check = async (sql, database, { readable }) => {
  const relations = await readRelations(sql, ['tenancy']);
  const findings = relations.flatMap(({ name, kind, owner, grants }): Finding[] => {
    const object = `tenancy.${name}`;
    const mine = grants.filter(
      ({ grantee, privilege, column }) => grantee === database.appRole && privilege === 'SELECT' && column === null,
    );
    const excess = grants.filter((grant) => !(readable.has(name) && mine.includes(grant)));
    return [
      ...(owner === database.ownerRole
        ? []
        : [
            finding(
              database,
              'foreign-owner',
              'critical',
              object,
              `It is owned by "${owner}", not by "${database.ownerRole}".`,
              `alter table … owner to ${database.ownerRole}.`,
            ),
          ]),
      ...excess.map(({ grantee, privilege, column }) =>
        finding(
          database,
          'catalog-grant-excess',
          'critical',
          column === null ? object : `${object}.${column}`,
          `"${grantee}" has ${privilege}.`,
          'Revoke it.',
        ),
      ),
      ...(readable.has(name) && mine.length === 0 ? [missing(database, object, 'select')] : []),
      ...(kind === 'v' || kind === 'm' || kind === 'f'
        ? [
            finding(
              database,
              'catalog-object-unknown',
              'warning',
              object,
              'There is a view or foreign table that this package does not install.',
              'Keep it in a schema of its own.',
            ),
          ]
        : []),
    ];
  });
  return { findings, checked: relations.length };
};

function missing(database: VerifiedDatabase, object: string, privilege: string): Finding {
  return finding(
    database,
    'catalog-grant-missing',
    'error',
    object,
    `The catalog’s login may not ${privilege} it: services can’t work.`,
    `grant ${privilege} on … to ${database.appRole}.`,
  );
}

function finding(database: VerifiedDatabase, id: string, severity: Severity, object: string, message: string, remedy: string): Finding {
  return { id, severity, location: locate(database, object), message, remedy };
}
