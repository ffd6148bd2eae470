-- Aggregate functions: every kind, with FILTER, DISTINCT, ORDER BY, and grouping sets.
CREATE TABLE m (g text, i int, b int8, f float8, n numeric, t text, d date, o bool);
INSERT INTO m VALUES
  ('a', 1, 10, 1.5, 1.10, 'x', '2024-01-01', true), ('a', 2, 20, 2.5, 2.20, 'y', '2024-01-02', false),
  ('a', 2, NULL, NULL, NULL, NULL, NULL, NULL), ('b', 5, 50, 0.1, 0.001, 'z', '2023-01-01', true),
  ('b', 7, 70, 0.2, 1000, 'x', '2025-01-01', true), ('c', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT count(*), count(i), count(DISTINCT i), sum(i), sum(DISTINCT i), avg(i), min(i), max(i) FROM m;
SELECT sum(b), avg(b), sum(f), avg(f), sum(n), avg(n), pg_typeof(sum(b)), pg_typeof(avg(f)) FROM m;
SELECT min(t), max(t), min(d), max(d), min(f), max(n), min(g) FROM m;
SELECT g, sum(i), avg(n), min(d), string_agg(t, '+' ORDER BY t), bool_or(o) FROM m GROUP BY g ORDER BY g;
SELECT g, array_agg(i ORDER BY i DESC NULLS LAST), array_agg(DISTINCT i), count(*) FILTER (WHERE i > 1) FROM m GROUP BY g ORDER BY g;
SELECT stddev(i), stddev_samp(i), stddev_pop(i), variance(i), var_samp(i), var_pop(i) FROM m;
SELECT round(stddev(f)::numeric, 10), round(variance(f)::numeric, 10), round(stddev_pop(f)::numeric, 10) FROM m;
SELECT stddev(i), variance(i), stddev_pop(i) FROM m WHERE g = 'c' OR i = 5;
SELECT sum(i) FILTER (WHERE o), sum(i) FILTER (WHERE NOT o), sum(i) FILTER (WHERE false), count(*) FILTER (WHERE t IS NULL) FROM m;
SELECT string_agg(DISTINCT t, ',' ORDER BY t DESC) FROM m;
SELECT string_agg(DISTINCT t, ',' ORDER BY i) FROM m;
SELECT array_agg(t ORDER BY i DESC, t) FROM m WHERE t IS NOT NULL;
SELECT count(DISTINCT (g, i)), count((g, i)) FROM m;
SELECT g, max(i) AS top FROM m GROUP BY g HAVING max(i) IS NOT NULL AND count(*) > 1 ORDER BY top DESC;
SELECT sum(CASE WHEN o THEN i ELSE 0 END), sum(coalesce(i, 0) * 2), max(i) - min(i), avg(i)::numeric(5,2) FROM m;
SELECT i % 2 AS odd, count(*) FROM m GROUP BY i % 2 HAVING count(*) > 0 ORDER BY odd;
SELECT g FROM m GROUP BY g ORDER BY count(*) DESC, g;
SELECT count(*) FROM m GROUP BY g ORDER BY 1;
SELECT count(*), count(*) + 1 AS more FROM m WHERE i > 100;
SELECT max(i), min(i), sum(i), count(i), avg(i), array_agg(i), string_agg(t, ','), bool_and(o) FROM m WHERE i > 100;
SELECT sum(1e308::float8) FROM generate_series(1, 2);
SELECT sum(9223372036854775807), sum(2147483647), avg(9223372036854775807) FROM generate_series(1, 3);
SELECT sum(x) FROM (VALUES ('NaN'::numeric), (1)) v(x);
SELECT sum(x::int8) FROM (VALUES (9223372036854775807), (1)) v(x);
SELECT sum(t) FROM m;
SELECT avg(d) FROM m;
SELECT max(o) FROM m;
SELECT sum(DISTINCT) FROM m;
SELECT count(i, b) FROM m;
SELECT count() FROM m;
SELECT nosuch_agg(i) FROM m;

SELECT i, count(*) FROM m;
SELECT g, (SELECT i) FROM m GROUP BY g;
SELECT * FROM m GROUP BY g;
SELECT g FROM m HAVING g = 'a';
SELECT g FROM m GROUP BY 2;
SELECT g AS x FROM m GROUP BY x ORDER BY x;
SELECT g FROM m GROUP BY sum(i);
SELECT upper(g) DISTINCT FROM m;
SELECT abs(DISTINCT i) FROM m;
SELECT abs(i) FILTER (WHERE true) FROM m;
DROP TABLE m;
CREATE TABLE pk (id int PRIMARY KEY, v text);
INSERT INTO pk VALUES (1, 'a'), (2, 'b');
SELECT id, v, count(*) FROM pk GROUP BY id ORDER BY id;
DROP TABLE pk;
