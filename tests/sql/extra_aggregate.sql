-- Grouping sets, ordered-set and statistical aggregates, aggregates as windows.
CREATE TABLE m (g text, i int, b int8, f float8, n numeric, t text, d date, o bool);
INSERT INTO m VALUES
  ('a', 1, 10, 1.5, 1.10, 'x', '2024-01-01', true), ('a', 2, 20, 2.5, 2.20, 'y', '2024-01-02', false),
  ('a', 2, NULL, NULL, NULL, NULL, NULL, NULL), ('b', 5, 50, 0.1, 0.001, 'z', '2023-01-01', true),
  ('b', 7, 70, 0.2, 1000, 'x', '2025-01-01', true), ('c', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT bool_and(o), bool_or(o), every(o), bit_and(i), bit_or(i), bit_xor(i) FROM m;
SELECT round(corr(i, b)::numeric, 6), round(regr_slope(b, i)::numeric, 6), regr_count(b, i), round(covar_pop(b, i)::numeric, 6) FROM m;
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY i), percentile_disc(0.5) WITHIN GROUP (ORDER BY i), mode() WITHIN GROUP (ORDER BY i) FROM m;
SELECT g, i, sum(b) FROM m GROUP BY GROUPING SETS ((g), (i), ()) ORDER BY g NULLS LAST, i NULLS LAST, 3;
SELECT g, count(*), grouping(g) FROM m GROUP BY ROLLUP (g) ORDER BY g NULLS LAST;
SELECT g, o, count(*) FROM m GROUP BY CUBE (g, o) ORDER BY g NULLS LAST, o NULLS LAST, 3;
SELECT d - min(d) OVER () AS off FROM m WHERE d IS NOT NULL ORDER BY off;
SELECT json_agg(i ORDER BY i), json_object_agg(g, i ORDER BY i) FROM m WHERE g = 'b';
SELECT avg(i) OVER () FROM m WHERE g = 'b' ORDER BY i;
SELECT bool_and(o), bit_and(i), bit_or(i) FROM m;
DROP TABLE m;
