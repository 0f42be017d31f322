import { newTableGuard } from '../rls/policy.ts';
import { type DatabaseCheck, locate } from './database-check.ts';

/** The event trigger that closes new tables: there, switched on, and what this package makes. */
export const checkGuard: DatabaseCheck = async (sql, database) => {
  const [guard] = await sql<{ source: string; enabled: boolean; trusted: boolean }[]>`
    select p.prosrc as source, e.evtenabled in ('O', 'A') as enabled, o.rolsuper as trusted
    from pg_event_trigger e join pg_proc p on p.oid = e.evtfoid join pg_roles o on o.oid = p.proowner
    where e.evtname = 'tenancy_guard_new_tables' and e.evtevent = 'ddl_command_end'`;
  const location = locate(database, 'event trigger tenancy_guard_new_tables');
  if (guard?.enabled !== true) {
    return {
      checked: 1,
      findings: [
        {
          id: 'new-tables-unguarded',
          severity: 'info',
          location,
          message: 'A new table has no row-level security until policies are installed: the event trigger that gives it some is not there.',
          remedy: 'Run `tenancy init` with a superuser as administrator, and `tenancy migrate up` after every change by hand.',
        },
      ],
    };
  }
  // It runs as whoever makes a table, superusers too.
  const intact = guard.trusted && newTableGuard(database).includes(`$$${guard.source}$$`);
  return {
    checked: 1,
    findings: intact
      ? []
      : [
          {
            id: 'guard-changed',
            severity: 'critical',
            location,
            message:
              'The function of the event trigger is not the one that this package installs, or is no superuser’s: it runs as whoever makes a table.',
            remedy: 'Find out who changed it, then run `tenancy init` with a superuser as administrator.',
          },
        ],
  };
};
