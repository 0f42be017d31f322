-- Up Migration
create table currencies (code text primary key, name text not null);
insert into currencies (code, name) values ('EUR', 'Euro'), ('GBP', 'Pound sterling');
