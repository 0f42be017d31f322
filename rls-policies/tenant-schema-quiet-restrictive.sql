-- Threat: a second permissive policy is OR-ed to the tenant's. The same predicate again, word for word: see tenant-rows-restrictive.sql.
drop policy if exists tenancy_tenant_restrictive on {{schema}}.{{table}};
create policy tenancy_tenant_restrictive on {{schema}}.{{table}} as restrictive for all to public
  using (tenant_id = {{'tenant'}} and tenant_id = (select tenancy.current_tenant_id()))
  with check (tenant_id = {{'tenant'}} and tenant_id = (select tenancy.current_tenant_id()));
