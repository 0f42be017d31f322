import { closedFunctions } from '../provision/closed-functions.ts';
import { type DatabaseCheck, locate } from './database-check.ts';
import type { Finding } from './finding.ts';

/** What PostgreSQL gives to everybody and an installer who is a superuser takes back: said where it could not. */
export const checkHardening: DatabaseCheck = async (sql, database) => {
  const findings: Finding[] = [];
  const [language] = await sql<{ open: boolean }[]>`select has_language_privilege(${database.appRole}, 'plpgsql', 'usage') as open`;
  if (language?.open === true) {
    findings.push({
      id: 'language-open',
      severity: 'info',
      location: locate(database, 'language plpgsql'),
      message: 'The service login may use plpgsql: a DO block can swallow its own refusal, which then reaches no audit log.',
      remedy: 'As a superuser: revoke usage on language plpgsql from public; `tenancy init` does so as one.',
    });
  }
  for (const { pattern, threat } of closedFunctions) {
    const open = await sql<{ signature: string }[]>`
      select p.oid::regprocedure::text as signature from pg_proc p
      where p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ ${pattern} and has_function_privilege(${database.appRole}, p.oid, 'execute')
      order by 1`;
    if (open.length === 0) continue;
    findings.push({
      id: 'function-open',
      severity: 'info',
      location: locate(database, open[0]?.signature ?? 'pg_catalog'),
      message: `The service login may execute ${open.length === 1 ? 'it' : `it and ${open.length - 1} others`}, and so ${threat}.`,
      remedy: 'As a superuser: revoke execute … from public; `tenancy init` does so as one.',
    });
  }
  return { findings, checked: closedFunctions.length + 1 };
};
