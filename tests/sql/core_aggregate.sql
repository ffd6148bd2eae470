-- Aggregates, GROUP BY and HAVING.
CREATE TABLE sale (region text, product text, qty int, amount numeric(10,2));
SELECT count(*), count(qty), sum(qty), avg(qty), min(qty), max(qty) FROM sale;
INSERT INTO sale VALUES
  ('north', 'tea', 10, 25.50), ('north', 'milk', 5, 7.25), ('south', 'tea', 7, 17.85),
  ('south', 'milk', NULL, 3.00), ('east', 'tea', 1, 2.55), ('east', 'salt', 20, 10.00),
  (NULL, 'salt', 2, 1.00);
SELECT count(*), count(qty), count(region), count(DISTINCT region) FROM sale;
SELECT sum(qty), sum(amount), avg(qty), avg(amount), min(product), max(product) FROM sale;
SELECT region, count(*), sum(qty), sum(amount) FROM sale GROUP BY region ORDER BY region;
SELECT region, count(*) FROM sale GROUP BY 1 ORDER BY 2 DESC, 1;
SELECT product, avg(qty) FROM sale GROUP BY product ORDER BY product;
SELECT product, region, sum(amount) FROM sale GROUP BY product, region ORDER BY product, region;
SELECT region, sum(qty) FROM sale GROUP BY region HAVING sum(qty) > 10 ORDER BY region;
SELECT product FROM sale GROUP BY product HAVING count(*) > 2;
SELECT count(*) FROM sale HAVING count(*) > 100;
SELECT sum(qty) FROM sale WHERE false;
SELECT region, sum(qty) FROM sale WHERE false GROUP BY region;
SELECT upper(region) AS r, max(amount) FROM sale GROUP BY upper(region) ORDER BY r;
SELECT length(product) AS len, count(*) FROM sale GROUP BY len ORDER BY len;
SELECT sum(qty) * 2 + count(*) FROM sale;
SELECT region FROM sale GROUP BY region ORDER BY sum(amount) DESC;
SELECT region, product FROM sale GROUP BY region;
SELECT region FROM sale WHERE sum(qty) > 1;
SELECT sum(sum(qty)) FROM sale;
SELECT sum(product) FROM sale;
SELECT product, count(*) FILTER (WHERE qty > 5) AS large, count(*) FROM sale GROUP BY product ORDER BY product;
SELECT sum(DISTINCT qty % 5) FROM sale;
SELECT bool_and(qty > 0), bool_or(qty > 15), every(qty > 1) FROM sale;
SELECT string_agg(product, ',' ORDER BY product, qty) FROM sale;
SELECT array_agg(qty ORDER BY qty NULLS FIRST) FROM sale;
SELECT pg_typeof(sum(qty)), pg_typeof(avg(qty)), pg_typeof(count(*)), pg_typeof(sum(amount)), pg_typeof(sum(qty::int8)), pg_typeof(sum(1.5::float4)), pg_typeof(avg(1.5::float4)) FROM sale;
SELECT max(length(product)), min(upper(product)) FROM sale;
SELECT region, max(amount) - min(amount) AS spread FROM sale GROUP BY region HAVING max(amount) > min(amount) ORDER BY spread;
SELECT avg(x) FROM (VALUES (1), (2), (4)) AS v(x);
SELECT avg(x), sum(x) FROM (VALUES (1.5::float8), (2.5)) AS v(x);
SELECT min(d), max(d) FROM (VALUES (date '2020-01-01'), ('1999-12-31')) AS v(d);
SELECT g % 7 AS m, count(*), sum(g) FROM generate_series(1, 1000) AS g GROUP BY m ORDER BY m;
SELECT count(*) FROM (SELECT g FROM generate_series(1, 20000) AS g GROUP BY g) AS s;
DROP TABLE sale;
