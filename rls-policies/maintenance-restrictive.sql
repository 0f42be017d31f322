-- Threat: as tenant-rows-restrictive.sql, for what runs as the owner: a SECURITY DEFINER function that a service calls does.
drop policy if exists tenancy_maintenance_restrictive on {{schema}}.{{table}};
create policy tenancy_maintenance_restrictive on {{schema}}.{{table}} as restrictive for all to {{owner}}
  using (tenant_id = (select tenancy.current_tenant_id()) or (select tenancy.in_maintenance()))
  with check (tenant_id = (select tenancy.current_tenant_id()) or (select tenancy.in_maintenance()));
