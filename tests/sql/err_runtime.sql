-- Errors that only running finds: SQLSTATEs are shown as well.
CREATE TABLE t (id int PRIMARY KEY, v varchar(5), n numeric(4,1) CHECK (n < 500), s int2);
INSERT INTO t VALUES (1, 'a', 1, 1), (2, 'b', 2, 2), (3, 'c', 0, 3);
SELECT id / (id - 2) FROM t ORDER BY id;
SELECT 10 / n FROM t ORDER BY id;
SELECT v::int FROM t ORDER BY id;
SELECT ('2024-01-' || id * 20)::date FROM t ORDER BY id;
SELECT id::int2 * 20000::int2 FROM t ORDER BY id;
SELECT sqrt(n - 1.5) FROM t ORDER BY id;
SELECT (SELECT id FROM t);
SELECT id FROM t WHERE id = (SELECT id FROM t WHERE id > 1);
SELECT repeat('x', -5) || chr(0);
SELECT substr('abc', 2, -1);
SELECT lpad('x', 2147483647, 'y');
SELECT repeat('abc', 1000000000);
SELECT 'abc'::bytea || decode('zz', 'hex');
SELECT to_char(now(), 'YYYY')::int > 2000, to_number('abc', '999');
SELECT array_fill(1, ARRAY[-1]);
SELECT (ARRAY[1, 2])[1:'x'];
SELECT currval('nosuch_seq');
SELECT set_config('work_mem', 'bad', false);
SELECT pg_typeof(current_setting('nosuch.setting'));
-- a statement that fails leaves nothing behind
INSERT INTO t VALUES (4, 'd', 4, 4), (5, 'toolong', 5, 5);
INSERT INTO t VALUES (4, 'd', 4, 4), (1, 'd', 4, 4);
INSERT INTO t VALUES (4, 'd', 999.95, 4);
INSERT INTO t VALUES (4, 'd', 600, 4);
INSERT INTO t VALUES (4, 'd', 4, 40000);
INSERT INTO t SELECT g, 'x', 10 / (5 - g), 1 FROM generate_series(4, 6) g;
UPDATE t SET s = s * 20000;
UPDATE t SET n = n * 1000;
UPDATE t SET v = v || 'xxxxx';
UPDATE t SET id = 7;
SELECT * FROM t ORDER BY id;
-- SQLSTATE by psql's own variable
\set ON_ERROR_STOP off
SELECT 1 / 0;
\echo :SQLSTATE
SELECT * FROM nosuch;
\echo :SQLSTATE
SELECT nosuch FROM t;
\echo :SQLSTATE
SELEC;
\echo :SQLSTATE
SELECT nosuch();
\echo :SQLSTATE
SELECT 'a'::int;
\echo :SQLSTATE
SELECT 99999999999::int;
\echo :SQLSTATE
INSERT INTO t VALUES (1);
\echo :SQLSTATE
INSERT INTO t VALUES (NULL);
\echo :SQLSTATE
INSERT INTO t VALUES (9, 'a', 600);
\echo :SQLSTATE
INSERT INTO t VALUES (9, 'abcdefgh');
\echo :SQLSTATE
SELECT '2024-02-30'::date;
\echo :SQLSTATE
SELECT 'x'::date;
\echo :SQLSTATE
SELECT t.id FROM t, t AS u WHERE id = 1;
\echo :SQLSTATE
SELECT 1 + true;
\echo :SQLSTATE
SELECT v FROM t GROUP BY id % 2;
\echo :SQLSTATE
CREATE TABLE t (x int);
\echo :SQLSTATE
CREATE SCHEMA public;
\echo :SQLSTATE
DROP TABLE t RESTRICT, t;
\echo :SQLSTATE
BEGIN;
SELECT 1 / 0;
SELECT 1;
\echo :SQLSTATE
ROLLBACK TO nosuch;
\echo :SQLSTATE
ROLLBACK;
SAVEPOINT s;
\echo :SQLSTATE
EXECUTE nosuch;
\echo :SQLSTATE
FETCH nosuch;
\echo :SQLSTATE
SET nosuch = 1;
\echo :SQLSTATE
SET work_mem = 'x';
\echo :SQLSTATE
SELECT (SELECT id FROM t);
\echo :SQLSTATE
SELECT ln(-1);
\echo :SQLSTATE
SELECT 'a' ~ '(';
\echo :SQLSTATE
SELECT 1;
\echo :SQLSTATE :ROW_COUNT :ERROR
SELECT * FROM t;
\echo :SQLSTATE :ROW_COUNT
UPDATE t SET v = v;
\echo :ROW_COUNT
DROP TABLE t;
