-- Arguments by name, defaults, and how stored expressions keep them.
select make_interval(days => 3), make_interval(1, days := 2), make_interval(secs => 1.5, years => 2);
select make_interval(dayz => 1);
select make_interval(days => 1, days => 2);
select make_interval(days => 1, 2);
select make_interval(1, years => 2);
select make_date(year => 2020, month => 2, day => 3), make_date(day => 1, year => 2020, month => 5);
select make_date(year => 2020, month => 2);
select make_date(year => 'x', month => 2, day => 1);
create view vn as select make_interval(days => 3) as i, make_interval(1,2) j, make_timestamptz(year => 2020, month => 1, mday => 2, hour => 3, min => 4, sec => 5);
select pg_get_viewdef('vn');
select i, j from vn;
drop view vn;
create table tn (a interval default make_interval(days => 7), b int check (make_interval(days => b) < interval '10 days'));
insert into tn(b) values (3); insert into tn(b) values (30); select * from tn;
\d tn
create index on tn (make_date(year => b, month => 1, day => 1));
drop table tn;
select concat(VARIADIC arr => array['a']);
select sum(x => 1);
select row_number(x => 1) over ();
select format(fmt => 'x');
select lower("a" => 'B');
prepare p as select make_interval(days => $1); execute p(4);
select make_interval(days => i) from generate_series(1,3) i;
select count(make_interval(hours => i)), max(make_interval(hours => i)) from generate_series(1,3) i group by make_interval(days => i) order by make_interval(days => i);
