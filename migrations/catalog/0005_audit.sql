-- What was done, allowed and refused across tenants. Entries are added and read; nobody changes one, the owner included.
create table tenancy.audit_log (
  id uuid primary key,
  seq bigint not null generated always as identity unique,
  at timestamptz not null,
  action text not null check (action <> ''),
  outcome text not null check (outcome in ('allowed', 'refused', 'completed', 'failed')),
  tenant_id text,
  target_tenant_id text,
  actor text,
  reason text,
  request_id text,
  error_code text,
  statement_fingerprint text,
  detail jsonb not null default '{}' check (jsonb_typeof(detail) = 'object'),
  recorded_at timestamptz not null default clock_timestamp(),
  recorded_by text not null default session_user
);
create index audit_log_at on tenancy.audit_log (at desc, seq desc);
create index audit_log_tenant on tenancy.audit_log (tenant_id, at desc);
create index audit_log_target on tenancy.audit_log (target_tenant_id, at desc);

create trigger audit_log_kept before update or delete or truncate on tenancy.audit_log for each statement execute function tenancy.refuse_change();
-- Also in a session that plays the part of a replica, where ordinary triggers rest.
alter table tenancy.audit_log enable always trigger audit_log_kept;

-- The only way in for a service. Sent again, an entry stays single; another entry under an id that is taken is refused, or whoever can
-- append could make a later refusal vanish. Answers how many were new.
create function tenancy.append_audit(events jsonb) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  added integer;
begin
  insert into tenancy.audit_log (id, at, action, outcome, tenant_id, target_tenant_id, actor, reason, request_id, error_code, statement_fingerprint, detail)
  select e.id, e.at, e.action, e.outcome, e.tenant_id, e.target_tenant_id, e.actor, e.reason, e.request_id, e.error_code, e.statement_fingerprint,
    coalesce(e.detail, '{}')
  from pg_catalog.jsonb_array_elements(events) with ordinality as given (event, place)
    cross join lateral pg_catalog.jsonb_to_record(given.event) as e (
      id uuid, at timestamptz, action text, outcome text, tenant_id text, target_tenant_id text, actor text, reason text, request_id text,
      error_code text, statement_fingerprint text, detail jsonb)
  order by given.place
  on conflict (id) do nothing;
  get diagnostics added = row_count;
  if added < pg_catalog.jsonb_array_length(events) and exists (
    select from pg_catalog.jsonb_to_recordset(events) as e (
        id uuid, at timestamptz, action text, outcome text, tenant_id text, target_tenant_id text, actor text, reason text)
      join tenancy.audit_log a on a.id = e.id
    where (a.at, a.action, a.outcome, a.tenant_id, a.target_tenant_id, a.actor, a.reason)
      is distinct from (e.at, e.action, e.outcome, e.tenant_id, e.target_tenant_id, e.actor, e.reason)
  ) then
    raise exception using errcode = '23505', constraint = 'audit_log_pkey', message = 'tenancy: another audit entry has this id';
  end if;
  return added;
end
$$;
grant execute on function tenancy.append_audit(jsonb) to {{catalog}};
