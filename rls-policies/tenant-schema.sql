-- Threat: raw SQL under one tenant's context names another tenant's schema. The table belongs to one tenant, so the attempt is refused aloud
-- (42501) and reaches the audit log. The second half does not depend on rows: it becomes a one-time filter and answers alike whether a row is
-- there or not, so that the refusal tells nobody what exists.
drop policy if exists tenancy_tenant on {{schema}}.{{table}};
create policy tenancy_tenant on {{schema}}.{{table}} as permissive for all to public
  using (tenant_id = {{'tenant'}} and (select tenancy.require_tenant({{'tenant'}})) = {{'tenant'}})
  with check (tenant_id = {{'tenant'}} and (select tenancy.require_tenant({{'tenant'}})) = {{'tenant'}});
