import { sqlFiles } from '../sql/sql-files.ts';
import { renderSqlFiles } from '../sql/sql-template.ts';
import { type DatabaseCheck, locate } from './database-check.ts';
import type { Finding } from './finding.ts';

/** The last releases that show a tenant's rows to others in spite of row-level security: CVE-2024-10976 and CVE-2025-8713, fixed one later. */
const leaky: Readonly<Record<number, { readonly rows: number; readonly statistics: number }>> = {
  14: { rows: 13, statistics: 18 },
  15: { rows: 8, statistics: 13 },
  16: { rows: 4, statistics: 9 },
  17: { rows: 0, statistics: 5 },
};

const functions = ['verified_context', 'current_tenant_id', 'require_tenant', 'in_maintenance', 'refuse_tenant_change'] as const;

interface FunctionFacts {
  readonly name: string;
  readonly source: string;
  readonly definer: boolean;
  readonly owner: string;
  readonly language: string;
}

/** What every policy stands on: the server's patch level, and schema `tenancy` word for word as this package ships it. */
export const checkFoundation: DatabaseCheck = async (sql, database) => {
  const findings: Finding[] = [];
  const [server] = await sql<{ major: number; minor: number }[]>`
    select current_setting('server_version_num')::int / 10000 as major, current_setting('server_version_num')::int % 10000 as minor`;
  findings.push(...patchFindings(locate(database, 'server'), server?.major ?? 0, server?.minor ?? 0));

  const shipped = renderSqlFiles(sqlFiles('database'), { owner: database.ownerRole, app: database.appRole }, 'migrations/database');
  const [ledger] = await sql<{ exists: boolean }[]>`select to_regclass('tenancy.schema_migrations') is not null as exists`;
  const applied = ledger?.exists === true ? await sql<{ name: string }[]>`select name from tenancy.schema_migrations` : [];
  for (const { name } of shipped.filter((file) => !applied.some((row) => row.name === file.name))) {
    findings.push({
      id: 'database-outdated',
      severity: 'error',
      location: locate(database, 'schema tenancy'),
      message: `migrations/database/${name} was not applied.`,
      remedy: 'Run `tenancy init`, and provision dedicated tenants again.',
    });
  }
  const found = await sql<FunctionFacts[]>`
    select p.proname::text as name, p.prosrc as source, p.prosecdef as definer, pg_get_userbyid(p.proowner)::text as owner, l.lanname::text as language
    from pg_proc p join pg_language l on l.oid = p.prolang where p.pronamespace = to_regnamespace('tenancy')`;
  for (const name of functions) {
    const same = found.filter((candidate) => candidate.name === name);
    const definer = name === 'current_tenant_id' || name === 'require_tenant' || name === 'in_maintenance';
    const intact =
      same.length === 1 &&
      same.every(
        (one) =>
          one.language === 'plpgsql' &&
          one.definer === definer &&
          one.owner === database.ownerRole &&
          shipped.some(({ rendered }) => rendered.includes(`function tenancy.${name}(`) && rendered.includes(`$$${one.source}$$`)),
      );
    if (!intact) {
      findings.push({
        id: 'function-changed',
        severity: 'critical',
        location: locate(database, `tenancy.${name}`),
        message: 'The function is missing, or is not the one that this package installs: every policy trusts it.',
        remedy: 'Find out who changed it, then restore it from migrations/database.',
      });
    }
  }
  return { findings, checked: 1 + shipped.length + functions.length };
};

/** The server's minor release, where an older one is known to leak. */
export function patchFindings(location: string, major: number, minor: number): readonly Finding[] {
  const release = leaky[major];
  const finding = (severity: Finding['severity'], message: string): Finding => ({
    id: 'server-patch-level',
    severity,
    location,
    message,
    remedy: 'Update the server to its newest minor release.',
  });
  if (major < 14) return [finding('error', `PostgreSQL ${major} is not supported.`)];
  if (release === undefined) return [];
  if (minor <= release.rows)
    return [finding('error', `PostgreSQL ${major}.${minor} may use a plan made for one role for another (CVE-2024-10976).`)];
  if (minor <= release.statistics)
    return [
      finding('warning', `PostgreSQL ${major}.${minor} shows sampled rows of partitions and children past their policies (CVE-2025-8713).`),
    ];
  return [];
}
