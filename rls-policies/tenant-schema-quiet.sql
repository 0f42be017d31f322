-- Threat: as tenant-schema.sql, on servers before PostgreSQL 18. On 14 and 15 the loud form depends on rows under an outer join's nullable side, and
-- would tell what exists. Here another tenant's context sees no row and writes none. A refused context is still an error, and for the reason
-- given in tenant-rows.sql one that does not depend on rows.
drop policy if exists tenancy_tenant on {{schema}}.{{table}};
create policy tenancy_tenant on {{schema}}.{{table}} as permissive for all to public
  using (tenant_id = {{'tenant'}} and tenant_id = (select tenancy.current_tenant_id()))
  with check (tenant_id = {{'tenant'}} and tenant_id = (select tenancy.current_tenant_id()));
