-- Up Migration
create table rates (code text primary key, label text not null, factor integer not null);
insert into rates (code, label, factor) values ('A', 'a', 1), ('B', 'b', 2), ('C', 'a', 2);
