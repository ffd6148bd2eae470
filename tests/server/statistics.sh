#!/bin/bash
# Cumulative statistics: what concurrent sessions did adds up, counts come by themselves within seconds, live through a
# clean restart, not through a crash; records of dropped relations go, a full table of them is no error.
# Run by with_server.sh.
set -eu
q() { psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"; }
fail() { echo "$*"; exit 1; }
# until SQL WANT: within ten seconds
until_is() {
    for _ in $(seq 100); do
        got=$(q "$1")
        [ "$got" != "$2" ] || return 0
        sleep 0.1
    done
    fail "not as expected: $1: got $got, want $2"
}

# many sessions, one table: the sums are exact once all have gone
q "CREATE TABLE sums (a int PRIMARY KEY, b int) WITH (autovacuum_enabled = off)"
for s in 1 2 3 4; do
    (for i in $(seq 5); do
        echo "INSERT INTO sums SELECT g, $i FROM generate_series($s * 1000 + $i * 100, $s * 1000 + $i * 100 + 49) g;"
        echo "BEGIN; DELETE FROM sums WHERE a < $s * 1000 + 120 AND a >= $s * 1000; ROLLBACK;"
        echo "UPDATE sums SET b = b + 1 WHERE a = $s * 1000 + 100;"
    done | psql -X -q -v ON_ERROR_STOP=1) &
done
wait
until_is "SELECT n_tup_ins, n_tup_upd, n_tup_del, n_live_tup, n_dead_tup <= 20 FROM pg_stat_user_tables WHERE relname = 'sums'" "1000|20|400|1000|t"

# an idle session's counts come without another command
mkfifo "$PGDATA/pipe"
psql -X -q <"$PGDATA/pipe" >/dev/null & idle=$!
exec 3>"$PGDATA/pipe"
echo "INSERT INTO sums VALUES (1, 1);" >&3
until_is "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'sums'" "1001"
# one that sleeps in the middle of a query shows what it waits for; a killed one counts as killed
echo "SELECT pg_sleep(30);" >&3
until_is "SELECT state, wait_event_type, wait_event FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'" "active|Timeout|PgSleep"
q "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'" >/dev/null
exec 3>&-
wait $idle || true
until_is "SELECT sessions_killed, sessions_fatal FROM pg_stat_database WHERE datname = 'postgres'" "1|0"

# dropped by another session while we have counts pending: no record is left for long
q "CREATE DATABASE other"
PGDATABASE=other q "CREATE TABLE t AS SELECT 1"
until_is "SELECT count(*) FROM pg_stat_database WHERE datname = 'other' AND tup_inserted > 0" "1"
other=$(q "SELECT oid FROM pg_database WHERE datname = 'other'")
q "DROP DATABASE other"
until_is "SELECT pg_stat_have_stats('database', $other, 0)" "f"

# a clean restart keeps them, also the instance's counters
until_is "SELECT pg_stat_get_wal() IS NOT NULL" "t"
before=$(q "SELECT wal_records FROM pg_stat_wal")
sh -c "$SERVER_STOP fast"
[ -s "$PGDATA/pg_stat/pgstat.stat" ] || fail "no statistics file after a clean stop"
sh -c "$DIFF_RESTART"
[ ! -e "$PGDATA/pg_stat/pgstat.stat" ] || fail "the statistics file is still there"
until_is "SELECT n_tup_ins, n_tup_upd, n_live_tup FROM pg_stat_user_tables WHERE relname = 'sums'" "1001|20|1001"
[ "$(q "SELECT wal_records >= $before FROM pg_stat_wal")" = t ] || fail "the log's counters were lost"

# a damaged file is dropped
sh -c "$SERVER_STOP fast"
printf 'rubbish' | dd of="$PGDATA/pg_stat/pgstat.stat" bs=1 seek=200 conv=notrunc 2>/dev/null
sh -c "$DIFF_RESTART"
until_is "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'sums'" "0"

# a crash loses them, an older file does not come back
q "INSERT INTO sums VALUES (2, 2)"
until_is "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'sums'" "1"
sh -c "$SERVER_STOP immediate"
sh -c "$DIFF_RESTART"
until_is "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'sums'" "0"

# more relations than records
sh -c "$SERVER_STOP fast"
echo "posthaste.stats_entries = 1000" >>"$PGDATA/postgresql.conf"
sh -c "$DIFF_RESTART"
for i in $(seq 1 700); do echo "CREATE TABLE many_$i (a int PRIMARY KEY); INSERT INTO many_$i VALUES (1);"; done | psql -X -q -v ON_ERROR_STOP=1
until_is "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'many_700'" "1"
[ "$(q "SELECT count(*) < 700 FROM pg_stat_user_tables WHERE relname LIKE 'many%' AND n_tup_ins = 1")" = t ] || fail "the table of statistics has grown"
echo "1 passed, 0 failed"
