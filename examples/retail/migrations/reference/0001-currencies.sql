-- Up Migration
-- Once in every tenant database, as its owner, with search_path = reference: rows that all retailers read.
create table if not exists currencies (
  code text primary key,
  name text not null,
  minor_units integer not null
);

insert into currencies (code, name, minor_units) values
  ('GBP', 'Pound sterling', 2),
  ('EUR', 'Euro', 2),
  ('USD', 'US dollar', 2),
  ('JPY', 'Yen', 0),
  ('AUD', 'Australian dollar', 2)
on conflict (code) do update set name = excluded.name, minor_units = excluded.minor_units;
