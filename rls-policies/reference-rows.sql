-- Threat: a tenant's session changes rows that every tenant reads. Services may only select; rows change by migrations of the owner.
alter table {{schema}}.{{table}} enable row level security;
alter table {{schema}}.{{table}} force row level security;
drop policy if exists tenancy_reference_read on {{schema}}.{{table}};
create policy tenancy_reference_read on {{schema}}.{{table}} as permissive for select to {{app}} using (true);
drop policy if exists tenancy_reference_change on {{schema}}.{{table}};
create policy tenancy_reference_change on {{schema}}.{{table}} as permissive for all to {{owner}} using (true) with check (true);
