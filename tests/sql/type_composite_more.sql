-- Composite values more closely: outer joins, assignment to parts, COPY, domains over rows, records in arrays.
create type pt as (x int, y text);
create table l (id int, p pt); insert into l values (1, '(1,a)'),(2,null),(3,'(3,c)');
create table j (id int); insert into j values (1),(3),(4);
select j.id, l.p, (l.p).x from j left join l using (id) order by 1;
select count(l), count(l.*), count(*) from j left join l using (id);
select l from j left join l using (id) order by j.id;
select x(p), y(p) from l order by 1;
select l.p.x from l;
select (select row(1,2)).f1;
select (select p from l where id=1).x;
select (array[row(1,2)])[1];
select p.* from l p order by 1;
select (p).* from l p order by 1;
select row((l.p).*, 5) from l order by 1;
values (row(1,2)), (row(2,3));
insert into l (id, p.y, p.x) values (10,'m',1),(11,'n',2); select * from l where id > 9 order by 1;
insert into l (id, p.y) select 12, 'sel'; select * from l where id > 11 order by 1;
update l set (id, p.x) = (20, 21) where id = 12 returning *;
update l set p.x = (p).x + 1, p.y = (p).y || '!' where id < 4 returning *;
insert into l values (1, row(1,2,3));
insert into l values (1, 5);
update l set p.x = 'abc';
update l set p.x = date '2020-01-01';
update l set id.x = 1;
create unique index lu on l (p); insert into l values (5, '(4,c!)'); select * from l where p = row(4,'c!')::pt;
copy l to stdout; copy l (p) from stdin;
(77,"copied in")
\.
select * from l where (p).x = 77;
select pg_typeof((p).y), pg_typeof(p), p::text from l where id = 1;
create view lv as select p, (p).x, row((p).x, 1)::text t, l as whole from l; select pg_get_viewdef('lv'); select * from lv where x = 1;
create table l2 as select p, (p).y from l; \d l2
alter table l add column z int; alter table l alter column p type text using (p).y;
create domain dpt as pt check ((value).x > 0); select '(1,a)'::dpt, ('(1,a)'::dpt).x; select '(-1,a)'::dpt; create table dd (d dpt); insert into dd values (row(1,'q')); insert into dd values ('(0,q)'); update dd set d.x = -5; update dd set d.x = 7 returning d, (d).y;
drop table dd; drop domain dpt; drop view lv; drop table l, l2, j; drop type pt;
select array[(1,2),(3,4)]; select (1,2) in ((1,2),(3,4)); select (1,2) = any (array[(1,2)]); select row(1,2) between row(1,1) and row(1,3);
select least((1,2),(1,1)), greatest(row(1,2),row(2,1));
select max(x) from (values (1)) v(x) group by row(x);
select json 'null' is null, (null::pg_class) is null;
select (c).relname from pg_class c where relname = 'pg_class';
select relname(c) from pg_class c where relname = 'pg_class';
select c.oid::regclass, (c.*)::text is not null from pg_class c where c.relname = 'pg_type';
create type tt as (a int); comment on type tt is 'c'; comment on column tt.a is 'col'; \dT+ tt
alter type tt owner to postgres; create schema ss; alter type tt set schema ss; \dT ss.*
alter table ss.tt add column b int; alter type ss.tt add attribute a int; alter type ss.tt add attribute b text collate "C", drop attribute a; \d ss.tt
drop schema ss cascade;
