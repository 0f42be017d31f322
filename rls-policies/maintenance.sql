-- Threat: the owner migrates a table that all tenants share without seeing its rows: a foreign key over an orphan is then recorded as valid, and
-- a backfill updates nothing. Only the owner's own session under a signed maintenance context sees them all.
drop policy if exists tenancy_maintenance on {{schema}}.{{table}};
create policy tenancy_maintenance on {{schema}}.{{table}} as permissive for all to {{owner}}
  using ((select tenancy.in_maintenance()))
  with check ((select tenancy.in_maintenance()));
