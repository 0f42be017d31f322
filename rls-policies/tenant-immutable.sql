-- Threat: an update of tenant_id hands a row to another tenant, under a context that may see both or past a loose WITH CHECK.
-- Not `update of tenant_id`: that would let a trigger change it which fires on another column.
drop trigger if exists tenancy_tenant_immutable on {{schema}}.{{table}};
create trigger tenancy_tenant_immutable before update on {{schema}}.{{table}}
  for each row when (old.tenant_id is distinct from new.tenant_id) execute function tenancy.refuse_tenant_change();
