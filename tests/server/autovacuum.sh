#!/bin/bash
# Autovacuum: tables are vacuumed and analyzed by their thresholds and storage parameters, a waiting session comes first,
# dead space of an update load is reused, what dead sessions left is dropped, a killed worker harms nothing.
# Run by with_server.sh with autovacuum_naptime = 1.
set -eu
q() { psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"; }
fail() { echo "$*"; exit 1; }
until_is() {
    for _ in $(seq 150); do
        got=$(q "$1" 2>/dev/null) || got=
        [ "$got" != "$2" ] || return 0
        sleep 0.1
    done
    fail "not as expected: $1: got $got, want $2"
}
log=$(dirname "$PGDATA")/log
in_log() {
    for _ in $(seq 100); do
        ! grep -q "$1" "$log" || return 0
        sleep 0.1
    done
    fail "not in the log: $1"
}

# dead, inserted and changed rows; a table that is left alone
q "CREATE TABLE dead (a int PRIMARY KEY, b int); CREATE TABLE filled (a int);
   CREATE TABLE off (a int) WITH (autovacuum_enabled = false);
   CREATE TABLE own (a int) WITH (autovacuum_vacuum_threshold = 5, autovacuum_vacuum_scale_factor = 0, autovacuum_analyze_threshold = 1000000);
   CREATE TABLE big (t text); ALTER TABLE big ALTER t SET STORAGE EXTERNAL;"
q "INSERT INTO dead SELECT g, g FROM generate_series(1, 2000) g; INSERT INTO filled SELECT generate_series(1, 3000);
   INSERT INTO off SELECT generate_series(1, 3000); INSERT INTO own SELECT generate_series(1, 100);
   INSERT INTO big SELECT repeat('x', 5000) FROM generate_series(1, 100)"
q "UPDATE dead SET b = b + 1; DELETE FROM off; DELETE FROM own WHERE a <= 10; DELETE FROM big"
until_is "SELECT n_dead_tup, autovacuum_count > 0, autoanalyze_count > 0 FROM pg_stat_user_tables WHERE relname = 'dead'" "0|t|t"
until_is "SELECT n_ins_since_vacuum, autovacuum_count > 0 FROM pg_stat_user_tables WHERE relname = 'filled'" "0|t"
until_is "SELECT n_dead_tup, autovacuum_count > 0, autoanalyze_count FROM pg_stat_user_tables WHERE relname = 'own'" "0|t|0"
until_is "SELECT s.n_dead_tup, s.autovacuum_count > 0 FROM pg_stat_all_tables s JOIN pg_class c ON c.reltoastrelid = s.relid WHERE c.relname = 'big'" "0|t"
[ "$(q "SELECT n_dead_tup, autovacuum_count FROM pg_stat_user_tables WHERE relname = 'off'")" = "3000|0" ] || fail "a table with autovacuum_enabled = false was vacuumed"
[ "$(q "SELECT reltuples FROM pg_class WHERE relname = 'dead'")" = 2000 ] || fail "reltuples was not set"
in_log 'automatic vacuum of table "postgres.public.dead": index scans: '
in_log 'automatic analyze of table "postgres.public.dead"'

# slow work shows itself, and gives way to a session that waits
q "CREATE TABLE slow (a int PRIMARY KEY, b text) WITH (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_analyze_threshold = 1000000)"
q "INSERT INTO slow SELECT g, repeat('x', 500) FROM generate_series(1, 3000) g"
q "DELETE FROM slow WHERE a % 2 = 0"
until_is "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND state = 'active' AND query = 'autovacuum: VACUUM public.slow' AND wait_event = 'VacuumDelay'" "1"
until_is "SELECT p.phase, p.heap_blks_total > 0 FROM pg_stat_progress_vacuum p WHERE p.relid = 'slow'::regclass" "scanning heap|t"
q "SET deadlock_timeout = '50ms'; SET statement_timeout = '5s'; ALTER TABLE slow ADD c int"
in_log 'canceling autovacuum task'
in_log 'automatic vacuum of table "postgres.public.slow"'
[ "$(q "SELECT count(*) FROM slow")" = 1500 ] || fail "rows were lost with the cancelled vacuum"

# a worker that is killed: all restart, nothing is lost
until_is "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'autovacuum: VACUUM%slow'" "1"
kill -9 "$(q "SELECT pid FROM pg_stat_activity WHERE query LIKE 'autovacuum: VACUUM%slow'")"
until_is "SELECT count(*) FROM slow" "1500"
q "ALTER TABLE slow RESET (autovacuum_vacuum_cost_delay, autovacuum_vacuum_cost_limit)"
q "DELETE FROM slow WHERE a % 3 = 0"
until_is "SELECT n_dead_tup, autovacuum_count > 0 FROM pg_stat_user_tables WHERE relname = 'slow'" "0|t"
[ "$(q "SELECT count(*) FROM slow")" = 1000 ] || fail "rows are wrong after the crash"

# temporary tables go with their session, those of a crashed one by autovacuum
q "CREATE TEMP TABLE leaves (a int)"
until_is "SELECT count(*) FROM pg_class WHERE relname = 'leaves'" "0"
q "CREATE TABLE forgotten (a int); INSERT INTO forgotten VALUES (1)"
(echo "CREATE TEMP TABLE orphan (a text);"; sleep 20) | psql -X -q & session=$!
until_is "SELECT count(*) FROM pg_class WHERE relname = 'orphan'" "1"
q "CHECKPOINT"
sh -c "$SERVER_STOP immediate"
kill $session 2>/dev/null || true
sh -c "$DIFF_RESTART"
until_is "SELECT count(*) FROM pg_class WHERE relname = 'orphan'" "0"
in_log 'autovacuum: dropping orphan temp table "postgres.pg_temp_[0-9]*.orphan"'

# an update load whose versions cannot be heap-only: the space comes back
q "CREATE TABLE load (a int PRIMARY KEY, b int, c text) WITH (autovacuum_vacuum_threshold = 100, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
   CREATE INDEX load_b ON load (b); INSERT INTO load SELECT g, g, repeat('x', 100) FROM generate_series(1, 5000) g"
before=$(q "SELECT pg_relation_size('load')")
sum=$(q "SELECT sum(b) FROM load")
printf '%s\n' '\set a random(1, 5000)' 'UPDATE load SET b = b + 1 WHERE a = :a;' >"$PGDATA/load.sql"
done_count=0
for _ in 1 2 3; do
    n=$(pgbench -n -f "$PGDATA/load.sql" -M prepared -c 4 -T 2 2>/dev/null | sed -n 's/^number of transactions actually processed: //p')
    done_count=$((done_count + n))
    until_is "SELECT n_dead_tup < 400 FROM pg_stat_user_tables WHERE relname = 'load'" "t"
done
[ "$(q "SELECT sum(b) - $sum FROM load")" = "$done_count" ] || fail "updates are missing"
until_is "SELECT n_tup_upd, n_live_tup FROM pg_stat_user_tables WHERE relname = 'load'" "$done_count|5000"
after=$(q "SELECT pg_relation_size('load')")
echo "update load: $done_count updates of 5000 rows, $before bytes before, $after after"
# between two rounds of a second each version takes new space
[ "$after" -lt $((before * 5)) ] || fail "dead space is not reused"

# freezing: from relations to the database to the instance
q "VACUUM FREEZE"
until_is "SELECT max(age(relfrozenxid)) < 1000 FROM pg_class WHERE relkind IN ('r', 'm', 't')" "t"
until_is "SELECT age(datfrozenxid) < 1000 FROM pg_database WHERE datname = current_database()" "t"
[ "$(q "SELECT count(*), sum(b) - $sum FROM load")" = "5000|$done_count" ] || fail "freezing has changed rows"
# AUTOVACUUM_LONG=1: old ids bring a worker to every database, also those without statistics or connections
if [ "${AUTOVACUUM_LONG:-0}" = 1 ]; then
    q "ALTER SYSTEM SET autovacuum_freeze_max_age = 100000"
    sh -c "$SERVER_STOP fast"
    sh -c "$DIFF_RESTART"
    echo 'SELECT txid_current();' >"$PGDATA/burn.sql"
    while [ "$(q "SELECT max(age(datfrozenxid)) < 120000 FROM pg_database")" = t ] && [ "$(q "SELECT txid_current() < 130000")" = t ]; do
        PGOPTIONS='-c synchronous_commit=off' pgbench -n -M prepared -f "$PGDATA/burn.sql" -c 4 -t 10000 >/dev/null 2>&1
    done
    until_is "SELECT count(*) FROM pg_database WHERE age(datfrozenxid) > 100000" "0"
    oldest=$("$PG_BIN/pg_controldata" "$PGDATA" | sed -n "s/^Latest checkpoint's oldestXID: *//p")
    q "CHECKPOINT"
    [ "$("$PG_BIN/pg_controldata" "$PGDATA" | sed -n "s/^Latest checkpoint's oldestXID: *//p")" -gt "$oldest" ] || fail "the commit log could not be cut"
fi

# switched off and on by reload
q "ALTER SYSTEM SET autovacuum = off"
q "SELECT pg_reload_conf()" >/dev/null
until_is "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'autovacuum%'" "0"
q "ALTER SYSTEM SET autovacuum = on"
q "SELECT pg_reload_conf()" >/dev/null
until_is "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'autovacuum launcher'" "1"
echo "1 passed, 0 failed"
