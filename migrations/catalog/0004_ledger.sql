-- Which migrations every target has, so that a run with nothing to do is one query.
create table tenancy.migrations_ledger (
  cluster_id text not null,
  database text not null,
  schema text not null,
  migration text not null,
  checksum text not null,
  applied_at timestamptz not null default now(),
  primary key (cluster_id, database, schema, migration)
);
