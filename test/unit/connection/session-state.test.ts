import { describe, expect, test } from 'vitest';
import { leavesSessionState } from '../../../src/connection/session-state.ts';

describe('leavesSessionState', () => {
  test.each([
    'select "id" from "acme"."products" where ("products"."tenant_id" = $1 and "products"."id" in ($2, $3))',
    'insert into "acme"."products" ("tenant_id", "id") values ($1, default), ($2, $3) on conflict ("tenant_id","id") do update set "a" = $4 returning "id"',
    'with "x" as (select count(*) from "acme"."products") select coalesce(sum("n"), 0) over (partition by "a") from "x"',
    'select coalesce(json_agg(json_build_array("a"."id")), \'[]\'::json) as "data" from "t" left join lateral (select 1) "a" on true',
    '(select 1) union all (select 2)',
    'update "acme"."t" set "n" = ("n" + $1)::numeric(10, 2) where exists (select 1)',
    'delete from "acme"."t"',
  ])('%s: no', (text) => {
    expect(leavesSessionState(text)).toBe(false);
  });

  test.each([
    "select set_config('a', 'b', false)",
    "select SET_CONFIG\n('a', 'b', false)",
    "select pg_catalog.set_config ('a', 'b', false)",
    `select "set_config"('a', 'b', false)`,
    `select "set_config" ('a', 'b', false)`,
    `select U&"\\0073et_config"('a', 'b', false)`,
    "select set_config/* */('a', 'b', false)",
    "select set_config--\n('a', 'b', false)",
    "select (set_config('a', 'b', false))",
    'select count(*), ((pg_advisory_lock(1))) from t',
    'insert into "t" ("a") select "set_config" ($1, $2, false)',
    "select query_to_xml('select set_config(…)', true, true, '')",
    'select zählen(1)',
    'select 1 from t order by random()',
    'select setseed(0.5)',
    "with x as (update pg_catalog.pg_settings set setting = '1' returning 1) select 1",
    'listen gossip',
    "set work_mem = '1MB'",
    'explain analyze select 1',
  ])('%s: perhaps', (text) => {
    expect(leavesSessionState(text)).toBe(true);
  });

  test('is quick on long and hostile text', () => {
    const started = performance.now();
    leavesSessionState(`select '${'a'.repeat(500_000)}' (`);
    leavesSessionState(`select ${'('.repeat(200_000)}`);
    leavesSessionState(`select ${'insert into "'.repeat(50_000)} (`);
    leavesSessionState(`select 1 in ${' '.repeat(300_000)}(`);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
