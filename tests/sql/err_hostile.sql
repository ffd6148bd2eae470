-- Statements that a fuzzer found to bring a server down.
SELECT textout('a'), intervaltypmodout(327679), numerictypmodout(655366), varchartypmodout(14), timestamptypmodout(3), bittypmodout(-1);
SELECT int4in('12'), textin('b'), boolin('t'), numeric_in('1.25', 0, 65540);
SELECT varchartypmodin('{10}'), numerictypmodin('{8,2}'), intervaltypmodin('{4}');
SELECT int4out(x), numeric_out(x), array_out(ARRAY[x, NULL]) FROM generate_series(1, 3) x ORDER BY int4out(x)::text DESC;
SELECT int4in('x');
SELECT cstring_out(textout('abc')), pg_typeof(textout('abc'));
CREATE TABLE dup (id int, name text, note text);
INSERT INTO dup VALUES (1, NULL, 'x'), (1, 'a', NULL), (2, NULL, NULL);
ALTER TABLE dup ADD PRIMARY KEY (id);
CREATE UNIQUE INDEX ON dup ((id + 1));
CREATE UNIQUE INDEX ON dup (lower(name), id);
DROP TABLE dup;
SELECT round(stddev(f)::numeric, 10), stddev_pop(generate_series(1, 3)) FROM (VALUES (1.5), (2)) m (f);
SELECT count(*), sum((SELECT generate_series(1, 1))) FROM (VALUES (1.5), (2)) m (f);
SELECT $1;
SELECT 'still here';
