-- Threat: a table's owner is above its policies unless they are forced, and a table without row-level security shows every row.
alter table {{schema}}.{{table}} enable row level security;
alter table {{schema}}.{{table}} force row level security;
