-- Statements nested deeper than any parser or planner likes: an error, and the session lives.
\set ECHO none
\set VERBOSITY terse
SELECT 'SELECT ' || repeat('1+', 300) || '1' \gexec
SELECT 'SELECT ' || repeat('1+', 60000) || '1' \gexec
SELECT 'SELECT ' || repeat('(SELECT ', 50) || '1' || repeat(')', 50) \gexec
SELECT 'SELECT ' || repeat('(SELECT ', 4000) || '1' || repeat(')', 4000) \gexec
SELECT 'SELECT ' || repeat('(SELECT ', 30000) || '1' || repeat(')', 30000) \gexec
SELECT 'SELECT 1' || repeat(' UNION ALL SELECT 1', 30000) \gexec
SELECT 'SELECT 1' || repeat('::int', 60000) \gexec
SELECT 'SELECT ' || repeat('- ', 9000) || '1' \gexec
SELECT 'SELECT ' || repeat('NOT ', 20000) || 'true' \gexec
SELECT 'SELECT ' || repeat('abs(', 1000) || '1' || repeat(')', 1000) \gexec
SELECT 'SELECT ' || repeat('CASE WHEN true THEN ', 4500) || '1' || repeat(' END', 4500) \gexec
SELECT 'SELECT ' || repeat('ARRAY[', 4500) || '1' || repeat(']', 4500) \gexec
SELECT 'SELECT * FROM (SELECT 1 AS a) t0' || string_agg(' JOIN (SELECT 1 AS a) t' || g || ' USING (a)', '') FROM generate_series(1, 12000) g \gexec
SELECT 'SELECT 1 WHERE ' || repeat('true AND (false OR ', 2000) || 'true' || repeat(')', 2000) \gexec
SELECT 'SELECT count(*) FROM (VALUES (1)' || repeat(', (1)', 20000) || ') v' \gexec
SELECT 'SELECT 1 IN (1' || repeat(', 1', 20000) || ')' \gexec
CREATE TABLE deep (a int);
SELECT 'ALTER TABLE deep ADD CHECK (a > ' || repeat('1+', 60000) || '1)' \gexec
SELECT 'CREATE VIEW deep_v AS SELECT ' || repeat('a+', 60000) || '1 FROM deep' \gexec
SELECT 'PREPARE deep_p AS SELECT ' || repeat('$1::int+', 60000) || '1' \gexec
DROP TABLE deep;
SELECT 'still here';
