import { test } from 'vitest';
import { PolicyDatabase } from './policy-database.ts';

const ddl = `create table products (tenant_id text not null, id int not null, sku text not null, note text, primary key (tenant_id, id), unique (tenant_id, sku));
 create index products_sku on products (sku);
 create table mine (tenant_id text not null, id int not null, primary key (tenant_id, id));`;
const shapes: Record<string, (t: string, sku: string) => string> = {
  select: (t, s) => `select 1 as x from ${t} where sku = '${s}'`,
  like: (t, s) => `select 1 as x from ${t} where note like '%${s}%'`,
  exists: (t, s) => `select exists (select from ${t} where sku = '${s}') as x`,
  notexists: (t, s) => `select 1 as x where not exists (select from ${t} where sku = '${s}')`,
  count: (t, s) => `select count(*)::int as x from ${t} where sku = '${s}'`,
  left: (t, s) => `select v.x, p.id from (values (1)) v(x) left join ${t} p on p.sku = '${s}'`,
  left2: (t, s) => `select v.x, p.id from (values ('${s}')) v(x) left join ${t} p on p.sku = v.x`,
  left3: (t, s) => `select v.x from (values ('${s}')) v(x) left join ${t} p on p.sku = v.x where p.id is null`,
  right: (t, s) => `select v.x, p.id from ${t} p right join (values (1)) v(x) on p.sku = '${s}'`,
  full: (t, s) => `select v.x, p.id from (select * from ${t} where sku = '${s}') p full join (values (1)) v(x) on p.id = v.x`,
  inner: (t, s) => `select 1 as x from (values ('${s}')) v(x) join ${t} p on p.sku = v.x`,
  lateral: (t, s) => `select v.x, p.id from (values ('${s}')) v(x) left join lateral (select id from ${t} where sku = v.x limit 1) p on true`,
  scalar: (t, s) => `select (select id from ${t} where sku = '${s}') as x`,
  in: (t, s) => `select 1 as x where '${s}' in (select sku from ${t})`,
  union: (t, s) => `select id from ${t} where sku = '${s}' union all select 0`,
  cte: (t, s) => `with c as materialized (select id from ${t} where sku = '${s}') select count(*)::int as x from c`,
  update: (t, s) => `update ${t} set note = 'x' where sku = '${s}'`,
  delete: (t, s) => `delete from ${t} where sku = '${s}'`,
  limit: (t, s) => `select id from ${t} where sku = '${s}' limit 1`,
  forupdate: (t, s) => `select id from ${t} where sku = '${s}' for update`,
  mark: (t, s) => `select x from (values (1)) v(x) where x = 1 or exists (select from ${t} where sku = '${s}' and id = x)`,
  insert: (t, s) => `insert into ${t} (tenant_id, id, sku) values ('acme', 99, '${s}') on conflict do nothing`,
  upsert: (t, s) => `insert into ${t} (tenant_id, id, sku) values ('acme', 99, '${s}') on conflict (tenant_id, sku) do update set note = 'y'`,
  insertown: (t, s) => `insert into ${t} (tenant_id, id, sku) values ('bolt', 99, '${s}') on conflict do nothing`,
  merge: (t, s) => `merge into ${t} p using (values ('${s}')) v(x) on p.sku = v.x when matched then update set note = 'm'`,
};
const settings = ['', 'set local enable_seqscan=off', 'set local enable_hashjoin=off; set local enable_mergejoin=off', 'set local enable_nestloop=off; set local enable_mergejoin=off', 'set local enable_nestloop=off; set local enable_hashjoin=off', 'set local enable_indexscan=off;set local enable_bitmapscan=off'];
test('oracle', async () => {
  await using db = await PolicyDatabase.open();
  const rows = (t: string) => `insert into products select '${t}', g, '${t}-' || g, 'note ${t}-' || g from generate_series(1, 40) g; insert into mine values ('${t}', 1);`;
  await db.tenant('acme', ddl + rows('acme'));
  await db.tenant('bolt', ddl + rows('bolt'));
  await db.pool(ddl + rows('acme') + rows('bolt'));
  const claimed = "(select split_part(current_setting('tenancy.context', true), ':', 3))"; for (const [t, pred] of [['acme.products', "tenant_id = 'acme' and tenant_id = (select tenancy.require_tenant('acme'))"], ['pool.products', `tenant_id = (select tenancy.current_tenant_id()) and tenant_id = ${claimed}`]] as const) { await db.admin.unsafe(`drop policy tenancy_tenant on ${t}; drop policy tenancy_tenant_restrictive on ${t}; create policy tenancy_tenant on ${t} using (${pred}) with check (${pred}); create policy tenancy_tenant_restrictive on ${t} as restrictive using (${pred}) with check (${pred})`); for (const ctx of ['acme','bolt']) for (const s of [`select 1 from ${t} where sku = 'acme-7'`, `select v.x, p.id from (values ('acme-7')) v(x) left join ${t} p on p.sku = v.x`,`select * from ${t} where id = 7`]) { const r = await db.as(db.token(ctx), 'explain (analyze, costs off, timing off, summary off) ' + s); console.log(ctx, s, 'refused' in r ? r.message : r.rows.map((x: any) => x['QUERY PLAN']).join('\n')); } }
  await db.admin.unsafe('analyze');
  const contexts: Record<string, string | undefined> = { other: db.token('bolt'), garbage: 'garbage', forged: db.token('acme').slice(0, -2) + '00', none: undefined, empty: '' };
  const bad: string[] = [];
  let n = 0; const refusedBy: Record<string, Record<string, number>> = {};
  for (const t of ['acme.products', 'pool.products']) for (const [c, ctx] of Object.entries(contexts)) for (const [name, shape] of Object.entries(shapes)) for (const set of settings) {
    if (name === 'insertown' && t.startsWith('acme')) continue;
    const present = await db.as(ctx, `${set}; ${shape(t, 'acme-7')}`);
    const absent = await db.as(ctx, `${set}; ${shape(t, 'zzz-7')}`);
    const norm = (o: any) => 'refused' in o ? o.refused : JSON.stringify(Array.isArray(o.rows.at(-1)) ? o.rows.at(-1) : o.rows).replaceAll(/acme-7|zzz-7/g, '?');
    const k = `${t} ${c}`; (refusedBy[k] ??= {}); const r = norm(present); const rk = r.startsWith('[') ? 'rows' : r; refusedBy[k]![rk] = (refusedBy[k]![rk] ?? 0) + 1;
    n++;
    if (norm(present) !== norm(absent)) bad.push(`${k} ${name} [${set}] present=${norm(present)} absent=${norm(absent)}`);
  }
  console.log(db.major, n, JSON.stringify(refusedBy), `\n${bad.length} BAD\n` + bad.join('\n'));
});
