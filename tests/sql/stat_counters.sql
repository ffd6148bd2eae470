-- Cumulative statistics of tables and indexes: what commit, rollback, savepoints and TRUNCATE make of the counts.
SET enable_bitmapscan = off;
CREATE TABLE s1 (a int PRIMARY KEY, b int, c text) WITH (autovacuum_enabled = off);
CREATE TABLE s2 (x int) WITH (autovacuum_enabled = off);
CREATE VIEW counts AS SELECT relname, seq_scan, seq_tup_read, idx_scan, idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_del,
    n_tup_hot_upd, n_live_tup, n_dead_tup, n_mod_since_analyze, n_ins_since_vacuum FROM pg_stat_user_tables;
INSERT INTO s1 SELECT i, i % 10, 'x' FROM generate_series(1, 1000) i;
UPDATE s1 SET b = b + 1 WHERE a <= 100;
DELETE FROM s1 WHERE a > 990;
BEGIN;
INSERT INTO s2 SELECT generate_series(1, 50);
ROLLBACK;
BEGIN;
INSERT INTO s2 SELECT generate_series(1, 20);
SAVEPOINT a;
INSERT INTO s2 SELECT generate_series(1, 7);
ROLLBACK TO a;
INSERT INTO s2 SELECT generate_series(1, 3);
SAVEPOINT b;
DELETE FROM s2 WHERE x = 1;
RELEASE b;
COMMIT;
SELECT pg_stat_force_next_flush();
SELECT * FROM counts WHERE relname IN ('s1', 's2') ORDER BY 1;

-- scans
SELECT count(*) FROM s2;
SET enable_seqscan = off;
SELECT count(c) FROM s1 WHERE a BETWEEN 10 AND 19;
SELECT c FROM s1 WHERE a = 500;
SELECT c FROM s1 WHERE a = 5000;
SELECT count(c) FROM s1 WHERE a IN (1, 2, 3, 4000);
RESET enable_seqscan;
SELECT count(*) FROM s1 WHERE b = 3;
CREATE INDEX s1b ON s1 (b);
SELECT pg_stat_force_next_flush();
SELECT relname, seq_scan, seq_tup_read, idx_scan, idx_tup_fetch FROM counts WHERE relname IN ('s1', 's2') ORDER BY 1;
SELECT indexrelname, idx_scan, idx_tup_read, idx_tup_fetch FROM pg_stat_user_indexes WHERE relname = 's1' ORDER BY 1;

-- TRUNCATE, undone and not
BEGIN;
INSERT INTO s2 VALUES (0);
TRUNCATE s2;
INSERT INTO s2 VALUES (1), (2);
ROLLBACK;
SELECT pg_stat_force_next_flush();
SELECT n_tup_ins, n_tup_del, n_live_tup, n_dead_tup, n_mod_since_analyze FROM counts WHERE relname = 's2';
BEGIN;
SAVEPOINT a;
TRUNCATE s2;
INSERT INTO s2 VALUES (1), (2);
SAVEPOINT b;
TRUNCATE s2;
ROLLBACK TO b;
INSERT INTO s2 VALUES (3);
RELEASE a;
COMMIT;
SELECT pg_stat_force_next_flush();
SELECT n_tup_ins, n_tup_del, n_live_tup, n_dead_tup, n_mod_since_analyze FROM counts WHERE relname = 's2';

-- the transaction's own view
BEGIN;
INSERT INTO s2 VALUES (4), (5);
UPDATE s2 SET x = x + 100 WHERE x = 4;
SAVEPOINT a;
DELETE FROM s2 WHERE x = 5;
SELECT n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd, seq_scan FROM pg_stat_xact_user_tables WHERE relname = 's2';
ROLLBACK TO a;
SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_xact_user_tables WHERE relname = 's2';
COMMIT;

-- commands of several kinds
CREATE TABLE parent (id int PRIMARY KEY) WITH (autovacuum_enabled = off);
CREATE TABLE child (p int REFERENCES parent ON DELETE CASCADE, note text) WITH (autovacuum_enabled = off);
INSERT INTO parent SELECT generate_series(1, 5);
INSERT INTO child SELECT i % 5 + 1, 'n' FROM generate_series(1, 20) i;
COPY child FROM stdin;
1	copied
2	copied
\.
INSERT INTO child VALUES (99, 'refused');
INSERT INTO parent VALUES (3) ON CONFLICT DO NOTHING;
INSERT INTO parent VALUES (3) ON CONFLICT (id) DO UPDATE SET id = excluded.id;
CREATE TABLE copy_of AS SELECT * FROM child;
CREATE TABLE big (t text) WITH (autovacuum_enabled = off);
ALTER TABLE big ALTER t SET STORAGE EXTERNAL;
INSERT INTO big SELECT repeat('a', 9000) FROM generate_series(1, 3);
SELECT length(t) FROM big;
DELETE FROM big;
SELECT pg_stat_force_next_flush();
SELECT relname, n_tup_ins, n_tup_upd, n_tup_del, n_live_tup, n_dead_tup FROM counts
    WHERE relname IN ('parent', 'child', 'copy_of', 'big') ORDER BY 1;
SELECT s.n_tup_ins, s.n_tup_del, s.n_dead_tup, s.idx_scan > 0 AS used FROM pg_stat_all_tables s JOIN pg_class c ON c.reltoastrelid = s.relid WHERE c.relname = 'big';

-- VACUUM and ANALYZE
VACUUM s1;
ANALYZE s2;
ANALYZE parent (id);
SELECT pg_stat_force_next_flush();
SELECT relname, n_live_tup, n_dead_tup, n_mod_since_analyze, n_ins_since_vacuum, last_vacuum IS NOT NULL AS vacuumed, vacuum_count,
    last_analyze IS NOT NULL AS analyzed, analyze_count, last_autovacuum, autovacuum_count, last_autoanalyze, autoanalyze_count
    FROM pg_stat_user_tables WHERE relname IN ('s1', 's2', 'parent') ORDER BY 1;

-- a relation that comes and goes with its transaction
CREATE TEMP TABLE oids (name text, o oid);
BEGIN;
CREATE TABLE gone (a int);
INSERT INTO gone VALUES (1);
INSERT INTO oids VALUES ('rolled back', 'gone'::regclass);
ROLLBACK;
CREATE TABLE gone (a int);
INSERT INTO oids VALUES ('dropped', 'gone'::regclass);
INSERT INTO gone VALUES (1), (2);
SELECT pg_stat_force_next_flush();
SELECT pg_stat_have_stats('relation', d.oid, 'gone'::regclass) FROM pg_database d WHERE datname = current_database();
BEGIN;
DROP TABLE gone;
ROLLBACK;
SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'gone';
DROP TABLE gone;
SELECT pg_stat_force_next_flush();
SELECT name, pg_stat_have_stats('relation', d.oid, o) FROM oids, pg_database d WHERE datname = current_database() ORDER BY 1;

-- one look is kept for the transaction
BEGIN;
SELECT n_tup_ins FROM counts WHERE relname = 's2';
SELECT pg_stat_reset_single_table_counters('s2'::regclass);
SELECT n_tup_ins FROM counts WHERE relname = 's2';
SELECT pg_stat_clear_snapshot();
SELECT n_tup_ins FROM counts WHERE relname = 's2';
COMMIT;
SET stats_fetch_consistency = none;
BEGIN;
SELECT n_tup_ins FROM counts WHERE relname = 'parent';
SELECT pg_stat_reset_single_table_counters('parent'::regclass);
SELECT n_tup_ins FROM counts WHERE relname = 'parent';
COMMIT;
SET stats_fetch_consistency = snapshot;
BEGIN;
SELECT pg_stat_get_snapshot_timestamp() IS NULL;
SELECT n_tup_ins FROM counts WHERE relname = 'parent';
SELECT pg_stat_get_snapshot_timestamp() IS NULL;
SELECT pg_stat_reset();
SELECT n_tup_ins FROM counts WHERE relname = 's1';
COMMIT;
SELECT n_tup_ins FROM counts WHERE relname = 's1';
RESET stats_fetch_consistency;

-- not counted
SET track_counts = off;
INSERT INTO s2 VALUES (7);
SELECT pg_stat_force_next_flush();
SELECT n_tup_ins FROM counts WHERE relname = 's2';
RESET track_counts;
INSERT INTO s2 VALUES (8);
SELECT pg_stat_force_next_flush();
SELECT n_tup_ins FROM counts WHERE relname = 's2';

-- resets and their refusals
SELECT pg_stat_reset_shared('nothing');
SELECT pg_stat_reset_shared('wal');
SELECT pg_stat_reset_slru('Xact');
SELECT pg_stat_reset_slru(NULL);
SELECT name FROM pg_stat_slru ORDER BY 1;
SELECT wal_records >= 0, wal_bytes >= 0, stats_reset IS NOT NULL FROM pg_stat_wal;
-- several columns are one row value outside FROM
SELECT pg_stat_get_wal() IS NULL AS wal;
SELECT count(*) FROM (SELECT pg_stat_get_slru() AS r) x WHERE r IS NOT NULL;
SELECT stats_reset IS NOT NULL, xact_commit > 0, tup_inserted > 0 FROM pg_stat_database WHERE datname = current_database();
SELECT datname FROM pg_stat_database WHERE datid = 0;
CREATE ROLE diff_stat_user;
SET ROLE diff_stat_user;
SELECT pg_stat_reset();
SELECT pg_stat_reset_single_table_counters(1259);
RESET ROLE;
DROP ROLE diff_stat_user;
SELECT pid = pg_backend_pid(), datname = current_database(), state, wait_event_type, xact_start = now(), query_start >= xact_start,
    backend_start <= xact_start, backend_type, query FROM pg_stat_activity WHERE pid = pg_backend_pid();
DROP TABLE child, parent, copy_of, big;
DROP VIEW counts;
DROP TABLE s1, s2;
