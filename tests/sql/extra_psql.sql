-- \d of what comes after the first release: generated columns, comments, unlogged tables, partitions, inheritance.
CREATE TABLE gen (a int, b int GENERATED ALWAYS AS (a * 2) STORED);
\d gen
COMMENT ON TABLE gen IS 'has a generated column';
COMMENT ON COLUMN gen.a IS 'the source';
\d+ gen
\dt gen
CREATE UNLOGGED TABLE unl (a int);
\d unl
CREATE TABLE base (a int);
CREATE TABLE derived (b int) INHERITS (base);
\d derived
\d base
CREATE TABLE part (a int) PARTITION BY RANGE (a);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
\d part
\d part_1
DROP TABLE part, derived, base, unl, gen;
