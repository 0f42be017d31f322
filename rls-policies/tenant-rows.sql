-- Threat: raw SQL, injected or mistaken, reads or writes another tenant's rows in a table that tenants share.
-- The subselects are planned as InitPlans: the signed context is verified once per statement, not once per row.
-- The second comparison is with the tenant that the context only claims to be. It allows nothing more; but since both say what tenant_id
-- is, PostgreSQL compares the two with each other in a one-time filter, before it looks at any row. Without it a refused context meets its
-- error only when a row is there to be compared, and a forged one tells by that which rows other tenants have.
drop policy if exists tenancy_tenant on {{schema}}.{{table}};
create policy tenancy_tenant on {{schema}}.{{table}} as permissive for all to public
  using (tenant_id = (select tenancy.current_tenant_id())
    and tenant_id = (select pg_catalog.split_part(pg_catalog.current_setting('tenancy.context', true), ':', 3)))
  with check (tenant_id = (select tenancy.current_tenant_id())
    and tenant_id = (select pg_catalog.split_part(pg_catalog.current_setting('tenancy.context', true), ':', 3)));
