import { type SQL, sql } from 'drizzle-orm';

/** Whole statements as a service writes them by hand; their answers are ordered. */
export const rawTemplates: readonly ((value: number) => SQL)[] = [
  (value) => sql`select * from sales where amount > ${value} order by id`,
  (value) =>
    sql`select i.id, i.code, s.name from items i left join shops s on s.id = i.shop_id where i.price >= ${value} order by i.id, s.name`,
  (value) => sql`with recursive up as (select id, parent_id, 0 as level from shops where id = ${value}
    union all select s.id, s.parent_id, up.level + 1 from shops s join up on s.id = up.parent_id where up.level < 5) select * from up order by level, id`,
  (value) =>
    sql`select mood, count(*) as n, sum(amount) filter (where amount > ${value}) as total from sales group by rollup (mood) order by mood nulls first, n`,
  (value) => sql`select id, rank() over (partition by shop_id order by price, id) as place from items where price <> ${value} order by id`,
  () => sql`table notes order by number`,
  (value) => sql`update items set price = price + ${value} where active returning id, price, (select count(*) from items) as n`,
  (value) => sql`delete from sales where id = ${value} or true returning id`,
  (value) => sql`insert into sales (tenant_id, id, amount) select tenant_id, id + 100, ${value}::integer from sales returning id`,
  (value) => sql`with gone as (delete from notes where number > ${value} returning body) select count(*) as n, max(body) as body from gone`,
];
