/** A family of PostgreSQL's own functions that a new database gives to everybody and no policy holds back. */
export interface ClosedFunctions {
  /** Matches the functions' names, as a PostgreSQL regular expression. */
  readonly pattern: string;
  /** What a tenant's session could do with them, as the end of a sentence. */
  readonly threat: string;
  /** Whether the database's owner, whose migrations look at their own locks, and monitoring (`pg_monitor`) keep them. */
  readonly kept?: boolean;
}

/** What is taken from PUBLIC where the installer may, and reported by `verify` where it could not. */
export const closedFunctions: readonly ClosedFunctions[] = [
  { pattern: '^(?:lo_[a-z0-9_]+|loread|lowrite)$', threat: 'read and write large objects, which have owners but no tenants' },
  // All lanes of a database log in as one role, and a role may end its own sessions: other tenants' too.
  { pattern: '^pg_(?:cancel|terminate)_backend$', threat: 'end the sessions and statements of other tenants' },
  {
    pattern: '^(?:query|table|cursor|schema|database)_to_xml(?:schema|_and_xmlschema)?$|^ts_stat$',
    threat: 'run statements out of texts, which nobody can look at before',
  },
  { pattern: '^pg_(?:read_(?:binary_)?file|ls_[a-z_]+|stat_file|file_[a-z_]+|current_logfile)$', threat: 'read the server’s files' },
  { pattern: '^pg_logical_emit_message$', threat: 'write into the server’s log of changes' },
  // The views of statistics and locks call these as whoever reads them.
  {
    pattern: '^pg_stat_get_[a-z0-9_]+$|^pg_lock_status$|^pg_(?:safe_snapshot_)?blocking_pids$',
    threat: 'see what other tenants run, lock and wait for, and count the rows that each has, reads and writes',
    kept: true,
  },
  { pattern: '^pg_(?:(?:total_)?relation|table|indexes|database|tablespace)_size$', threat: 'measure other tenants’ tables', kept: true },
  { pattern: '^currtid2$', threat: 'see whether a row was changed that no policy shows it' },
];
