import { quoteLiteral } from '../sql/identifier.ts';
import { type DatabaseCheck, locate, type VerifiedDatabase } from './database-check.ts';
import type { Finding } from './finding.ts';
import { type LoginFacts, loginFactsQuery, loginRefusal } from './login-facts.ts';

/** The two logins: the service's can step over nothing and is nobody's member, the owner is not above its own policies, neither has settings. */
export const checkRoles: DatabaseCheck = async (sql, database) => {
  const findings: Finding[] = [];
  const app = locate(database, database.appRole);
  const [facts] = await sql.unsafe<LoginFacts[]>(loginFactsQuery(quoteLiteral(database.appRole)));
  const refusal = facts === undefined || facts.login === null ? 'does not exist' : loginRefusal(facts);
  if (refusal !== undefined) {
    findings.push({
      id: 'login-refused',
      severity: 'critical',
      location: app,
      message: `The service login ${refusal}.`,
      remedy: 'Take it back: services refuse to start with such a login.',
    });
  }
  const memberships = await sql<{ member: string; role: string }[]>`
    select pg_get_userbyid(member)::text as member, pg_get_userbyid(roleid)::text as role from pg_auth_members
    where pg_get_userbyid(member) = ${database.appRole} or pg_get_userbyid(roleid) in (${database.appRole}, ${database.ownerRole})`;
  for (const { member, role } of memberships) findings.push(...membershipFindings(database, member, role));
  const [owner] = await sql<
    { above: boolean }[]
  >`select rolsuper or rolbypassrls as above from pg_roles where rolname = ${database.ownerRole}`;
  if (owner?.above !== false) {
    findings.push({
      id: 'owner-above-policies',
      severity: 'error',
      location: locate(database, database.ownerRole),
      message: 'The owner is superuser, has BYPASSRLS or does not exist: migrations would run above policies.',
      remedy: 'alter role … nosuperuser nobypassrls.',
    });
  }
  const settings = await sql<{ role: string | null; setting: string }[]>`
    select pg_get_userbyid(nullif(s.setrole, 0))::text as role, split_part(c, '=', 1) as setting
    from pg_db_role_setting s cross join unnest(s.setconfig) c
    where (s.setrole = 0 or pg_get_userbyid(s.setrole) in (${database.appRole}, ${database.ownerRole}))
      and s.setdatabase in (0, (select oid from pg_database where datname = current_database()))`;
  for (const { role, setting } of settings) {
    const forged = setting.startsWith('tenancy.');
    findings.push({
      id: 'role-setting',
      severity: forged ? 'critical' : 'warning',
      location: locate(database, role ?? 'the database'),
      message: `Every session of ${role ?? 'the database'} begins with a ${setting} of its own.`,
      remedy: `alter role … reset ${setting}; or the same of the database.`,
    });
  }
  return { findings, checked: memberships.length + settings.length + 2 };
};

function membershipFindings(database: VerifiedDatabase, member: string, role: string): Finding[] {
  if (member === database.appRole) {
    return [
      {
        id: 'login-membership',
        severity: 'critical',
        location: locate(database, member),
        message: `The service login is a member of "${role}" and can become it.`,
        remedy: 'Revoke the membership.',
      },
    ];
  }
  // Whoever administers the server on some clouds must be a member of the roles that own things: worth knowing, not wrong.
  return [
    {
      id: 'role-member',
      severity: 'info',
      location: locate(database, role),
      message: `"${member}" is a member of "${role}" and can become it.`,
      remedy: 'Revoke the membership unless it is the administrator’s.',
    },
  ];
}
