-- Threat: raw SQL, injected or mistaken, reads or writes another tenant's rows in a table that tenants share.
-- The subselect is planned as an InitPlan: the signed context is verified once per statement, not once per row.
drop policy if exists tenancy_tenant on {{schema}}.{{table}};
create policy tenancy_tenant on {{schema}}.{{table}} as permissive for all to public
  using (tenant_id = (select tenancy.current_tenant_id()))
  with check (tenant_id = (select tenancy.current_tenant_id()));
