-- psql's lists. Owners read "postgres": run the tests as that role.
CREATE SCHEMA list_s;
SET search_path = list_s;
\d
\dt
CREATE TABLE t1 (id serial PRIMARY KEY, v text UNIQUE);
CREATE TABLE t2 (x int);
CREATE VIEW v1 AS SELECT * FROM t1;
CREATE SEQUENCE s1;
CREATE INDEX i1 ON t2 (x);
\d
\dt
\di
\dv
\ds
\dt t1
\dt t*
\dt list_s.*
\dt nosuch
\di i1
\dtv
\dn list*
\dn
\df
\df nosuch_function
\dT
\du diff_nosuch
CREATE ROLE diff_list_role LOGIN CREATEDB;
\du diff_list_role
\dg diff_list_role
DROP ROLE diff_list_role;
\dp t2
GRANT SELECT ON t2 TO public;
\dp t2
\z t1
\sv v1
\dt pg_catalog.pg_class
\conninfo_is_not_a_command
\echo text and :AUTOCOMMIT
\set x 5
SELECT :x + 1 AS six;
\set name 'it''s'
SELECT :'name' AS quoted;
\set col six
SELECT 6 AS :"col";
SELECT 1 AS one, 2 AS two \gset
SELECT :one + :two AS three;
SELECT 'SELECT ' || g || ' AS n' FROM generate_series(1, 2) g ORDER BY g \gexec
\pset null '<null>'
SELECT NULL AS n, 1 AS i;
\pset null ''
\pset format unaligned
SELECT 1 AS a, 'x' AS b;
\pset format csv
SELECT 1 AS a, 'x,y' AS b;
\pset format aligned
\t on
SELECT 1 AS a;
\t off
\x on
SELECT 1 AS a, 'long' AS longer;
SELECT 1 AS a, 2 AS b UNION SELECT 3, 4 ORDER BY a;
\x off
\a
SELECT 1 AS a, 2 AS b;
\a
\gdesc
SELECT 1 AS a, 'x'::text AS b, 1.5::numeric(5,2) AS c, now() AS d \gdesc
SELECT 5 AS five \g
SELECT g AS r, g % 2 AS c, g * 10 AS v FROM generate_series(1, 4) g \crosstabview r c v
\if true
SELECT 'taken' AS branch;
\else
SELECT 'not taken' AS branch;
\endif
\copy (SELECT 1, 'a') TO STDOUT
\copy t2 FROM stdin
7
8
\.
SELECT * FROM t2 ORDER BY x;
SELECT 1/0;
\errverbose_not
\l nosuch_database
RESET search_path;
DROP SCHEMA list_s CASCADE;
