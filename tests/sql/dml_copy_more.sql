-- COPY: formats, options and the context of errors.
create table t (a int, b text default 'dd', c int not null default 7, d numeric(5,2) check (d < 100));
copy t from stdin;
1	x	3	5
2	\N	4	500
\.
copy t from stdin;
1	x	3	5
2	\N	\N	5
\.
copy t (a, d) from stdin (format csv);
1,2.5
"2",""
,3
\.
copy t (a, d) from stdin (format csv, force_null (d));
2,""
\.
copy t (a, b) from stdin (format csv, force_not_null (b), null 'x');
2,x
x,y
\.
copy t (a, b) from stdin (format csv, null '\N', delimiter '|', quote '''', escape '\');
2|'a\'b|c'
3|\N
4|'\N'
\.
select * from t order by a, b;
copy t to stdout (format csv, quote '''', escape '\', delimiter '|', null 'NUL', header);
copy t (b) from stdin;
a\x41\102\
z
\x
\\\\
\.
copy t (b) to stdout;
copy t (b) to stdout csv;
copy t (b) to stdout (delimiter 'Z');
copy t (a) from stdin;
1
	
\.
copy t (a) from stdin;
 12 

\.
copy t (a) from '/dev/null' where a > nosuch;
copy t (a) from '/dev/null' where a;
copy t (a) to stdout where a > 1;
copy t (a) from stdin where a > 1;
0
1
2
\.
select a from t where b = 'dd' order by a;
copy t (a, b) from '/dev/null' (freeze);
copy t (a, b) from stdin (header);
a	b
9	nine
\.
copy t (a, b) from stdin (header match, format csv);
a,c
\.
copy t (a, b) from stdin (header match, format csv);
a
\.
copy t (b) from stdin (format csv);
"abc
def"
"a"b"c"
x"y"
"unterminated
\.
copy t (b) from stdin (format csv, delimiter e'\t');
a b	c
\.
copy t (a) from stdin;
12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890
\.
copy (values (1, null), (2, 'x'), (3, '')) to stdout (null '');
copy (values (1, null), (2, 'x'), (3, '')) to stdout csv;
copy (values (1, e'a\nb'), (2, 'x,y'), (3, '"'), (4, ' lead'), (5, '\.')) to stdout csv;
copy (select e'\\.') to stdout csv;
copy (select 'a', 1.50, true, date '2020-01-01', '{1,2}'::int[], null) to stdout;
copy (update t set c = 1 where a = 9 returning a, c) to stdout;
copy (with x as (select 1 as n union all select 2) select n, n*n as sq from x) to stdout (header, format csv);
copy t (a,a) to stdout;
copy nosuch to stdout;
copy t from '/dev/null' (format csv, force_null (nosuch));
copy t (a) from '/dev/null' (format csv, force_null (b));
create table g (a int, b int generated always as (a + 1) stored, id int generated always as identity);
copy g from stdin;
1	5
2	6
\.
copy g (a) from stdin;
5
\.
copy g (b) from '/dev/null';
copy g to stdout;
create table u (x int unique);
copy u from stdin;
1
2
1
\.
create table f (x int references u (x));
copy f from stdin;
1
\.
insert into u values (1); copy f from stdin;
1
1
\.
select count(*) from f;
create view v as select * from u; copy v to stdout; copy v from '/dev/null';
begin; copy u from stdin;
5
\.
copy u from stdin;
abc
\.
commit;
select * from u order by 1;
