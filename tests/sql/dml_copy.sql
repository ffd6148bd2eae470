-- COPY in and out: text and csv, options, and what it says of bad input.
CREATE TABLE t (id int, name text, amount numeric(6,2), ok bool);
COPY t FROM stdin;
1	one	1.50	t
2	two words	2.25	f
3	\N	\N	\N
4	tab\there	4	t
5	line\nbreak	5	f
6	back\\slash	6	t
7		7	f
\.
SELECT * FROM t ORDER BY id;
COPY t TO stdout;
COPY t (name, id) TO stdout;
COPY (SELECT id, name FROM t WHERE id < 4 ORDER BY id) TO stdout;
COPY t TO stdout WITH (FORMAT csv);
COPY t TO stdout (FORMAT csv, HEADER);
COPY t TO stdout WITH CSV HEADER;
COPY t (id, name) TO stdout (FORMAT csv, DELIMITER ';', NULL 'nil', FORCE_QUOTE (name));
COPY t (id, name) TO stdout (DELIMITER '|', NULL '<null>');
COPY t (id, name) TO stdout (FORMAT csv, QUOTE '''', ESCAPE '!');
COPY t (id, name) TO stdout (FORMAT csv, FORCE_QUOTE *);
COPY t (id, name) TO stdout (FORMAT text, HEADER true);
TRUNCATE t;
COPY t (id, name) FROM stdin (FORMAT csv);
1,plain
2,"quoted, with comma"
3,"a ""quote"" inside"
4,
5,""
6,"two
lines"
\.
SELECT id, name, name IS NULL AS null FROM t ORDER BY id;
TRUNCATE t;
COPY t FROM stdin (FORMAT csv, HEADER true, NULL 'nil', DELIMITER ';');
id;name;amount;ok
1;a;1.005;true
2;nil;nil;nil
\.
COPY t (id, name) FROM stdin (DELIMITER ',', NULL '');
3,c
4,
\.
COPY t (id, name) FROM stdin (HEADER match);
id	name
5	e
\.
COPY t (id, name) FROM stdin (HEADER match);
id	nome
5	e
\.
COPY t (id) FROM stdin WHERE id % 2 = 0;
10
11
12
\.
SELECT * FROM t ORDER BY id;
-- bad input
COPY t FROM stdin;
20	a	1	t
21	b	x	t
\.
COPY t FROM stdin;
20	a	1
\.
COPY t FROM stdin;
20	a	1	t	extra
\.
COPY t (id) FROM stdin;
abc
\.
COPY t (id) FROM stdin;
99999999999
\.
COPY t (id, name) FROM stdin (FORMAT csv);
1,"unterminated
\.
COPY t (amount) FROM stdin;
12345.67
\.
COPY t (nosuch) FROM '/dev/null';
COPY t (id, id) FROM '/dev/null';
COPY nosuch FROM '/dev/null';
COPY t TO stdout (FORMAT nosuch);
COPY t TO stdout (DELIMITER 'ab');
COPY t TO stdout (QUOTE 'q');
COPY t TO stdout (NOSUCH 1);
COPY t TO stdout (FORMAT csv, FORMAT text);
COPY t TO stdout (FORMAT csv, DELIMITER '"');
COPY (DELETE FROM t WHERE id = 1) TO stdout;
COPY (DELETE FROM t WHERE id = 1 RETURNING id, name) TO stdout;
SELECT count(*) FROM t;
-- constraints hold for COPY, and all of it fails or none
CREATE TABLE k (id int PRIMARY KEY, v text NOT NULL CHECK (v <> 'bad'), d int DEFAULT 5);
COPY k (id, v) FROM stdin;
1	a
2	b
1	c
\.
SELECT count(*) FROM k;
COPY k (id, v) FROM stdin;
1	a
2	\N
\.
COPY k (id, v) FROM stdin;
1	bad
\.
BEGIN;
COPY k (id, v) FROM stdin;
1	fine
2	good
\.
SELECT * FROM k ORDER BY id;
ROLLBACK;
SELECT count(*) FROM k;
COPY k (id, v) FROM stdin;
\.
COPY k FROM stdin;
3	x	\N
4	caf\303\251	7
5	\x41\102\b\f	8
\.
SELECT id, v, encode(v::bytea, 'hex'), d FROM k ORDER BY id;
COPY k TO stdout;
DROP TABLE t, k;
-- every type goes out as text and comes back the same
CREATE TABLE ty (a int2, b int8, c float8, d numeric, e text, f char(3), g bytea, h date, i timestamptz, j interval, k uuid, l int[], m bool);
INSERT INTO ty VALUES (1, -2, 0.1, 1.10, E'a\tb\\c', 'x', '\x0a5c', '2024-05-06', '2024-05-06 07:08:09.5+00', '1 year 2 days 03:00', '00000000-0000-0000-0000-000000000001', '{1,NULL,3}', true);
COPY ty TO stdout;
COPY ty TO stdout CSV;
COPY ty FROM stdin;
1	-2	0.1	1.10	a\tb\\c	x  	\\x0a5c	2024-05-06	2024-05-06 07:08:09.5+00	1 year 2 days 03:00:00	00000000-0000-0000-0000-000000000001	{1,NULL,3}	t
\.
SELECT count(DISTINCT ty.*) FROM ty;
DROP TABLE ty;
CREATE TABLE bulk (n int, t text);
COPY bulk FROM stdin (FORMAT csv);
1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
2,bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
\.
INSERT INTO bulk SELECT g, repeat(md5(g::text), 4) FROM generate_series(3, 500) AS g;
COPY (SELECT n, md5(t) FROM bulk WHERE n % 100 = 0 ORDER BY n) TO stdout;
DROP TABLE bulk;
