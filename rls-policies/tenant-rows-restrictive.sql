-- Threat: a second permissive policy, added by mistake or malice, is OR-ed to the first and lets rows through. A restrictive policy is AND-ed.
-- It holds the whole predicate again, so that dropping either policy of the two opens nothing.
drop policy if exists tenancy_tenant_restrictive on {{schema}}.{{table}};
create policy tenancy_tenant_restrictive on {{schema}}.{{table}} as restrictive for all to public
  using (tenant_id = (select tenancy.current_tenant_id()) or (select tenancy.in_maintenance()))
  with check (tenant_id = (select tenancy.current_tenant_id()) or (select tenancy.in_maintenance()));
