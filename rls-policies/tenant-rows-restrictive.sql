-- Threat: a second permissive policy, added by mistake or malice, is OR-ed to the first and lets rows through. A restrictive policy is AND-ed.
-- It holds the whole predicate again, so that dropping either policy of the two opens nothing; and the same predicate, word for word, so that
-- PostgreSQL folds the two into one and verifies the context once. It is the service login's; the owner has its own (maintenance-restrictive.sql).
drop policy if exists tenancy_tenant_restrictive on {{schema}}.{{table}};
create policy tenancy_tenant_restrictive on {{schema}}.{{table}} as restrictive for all to {{app}}
  using (tenant_id = (select tenancy.current_tenant_id())
    and tenant_id = (select pg_catalog.split_part(pg_catalog.current_setting('tenancy.context', true), ':', 3)))
  with check (tenant_id = (select tenancy.current_tenant_id())
    and tenant_id = (select pg_catalog.split_part(pg_catalog.current_setting('tenancy.context', true), ':', 3)));
