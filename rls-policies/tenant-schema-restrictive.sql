-- Threat: a second permissive policy is OR-ed to the tenant's. The same predicate again, word for word: see tenant-rows-restrictive.sql.
drop policy if exists tenancy_tenant_restrictive on {{schema}}.{{table}};
create policy tenancy_tenant_restrictive on {{schema}}.{{table}} as restrictive for all to public
  using (tenant_id = {{'tenant'}} and (select tenancy.require_tenant({{'tenant'}})) = {{'tenant'}})
  with check (tenant_id = {{'tenant'}} and (select tenancy.require_tenant({{'tenant'}})) = {{'tenant'}});
