#!/bin/bash
# The replication protocol with PostgreSQL 15's own tools: pg_basebackup in its ways while rows come in, and each backup
# started; pg_receivewal with a slot; what slots hold back; who may connect.
# usage: replication.sh BIN
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != inside ]; then
    export SERVER_CONF="wal_level = replica
max_wal_senders = 4
min_wal_size = 32MB
max_wal_size = 64MB"
    exec sh "$here/with_server.sh" "$1" bash "$here/replication.sh" inside
fi

tools=$(pg_config --bindir 2>/dev/null || echo /usr/lib/postgresql/15/bin)
[ -x "$tools/pg_basebackup" ] || { echo "pg_basebackup not found"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/posthaste_replication.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
owner=$(stat -c %U "$PGDATA")
chown "$owner" "$work"
failures=0 count=0
as() { if [ "$(id -u)" = 0 ]; then runuser -u "$owner" -- "$@"; else "$@"; fi; }
ok() { count=$((count + 1)); [ "$2" = 0 ] || { echo "FAIL: $1"; failures=$((failures + 1)); tail -n 20 "$work/out" "$work/log" 2>/dev/null; }; }
is() { count=$((count + 1)); [ "$2" = "$3" ] || { echo "FAIL: $1: got $2, want $3"; failures=$((failures + 1)); tail -n 20 "$work/out" "$work/log" 2>/dev/null; }; }
q() { psql -X -q -A -t -c "$1"; }
rport=$((PGPORT + 1))
r() { PGPORT=$rport PGHOST=$work psql -X -q -A -t -c "$1" 2>&1; }
wait_for() { local n=$(($1 * 10)); shift; while [ $n -gt 0 ]; do "$@" && return 0; sleep 0.1; n=$((n - 1)); done; return 1; }

# start DIR: the backup as a server of its own
start() {
    chown -R "$owner" "$1"; chmod 700 "$1"
    { cat "$1/postgresql.conf"; echo "port = $rport
unix_socket_directories = '$work'
fsync = off
shared_buffers = 16MB
$2"; } >"$work/conf"
    cp "$work/conf" "$1/postgresql.conf"
    : >"$work/log"; chown "$owner" "$work/log"
    as "$PG_BIN/pg_ctl" -D "$1" -l "$work/log" -w -s start >/dev/null 2>&1
}
stop() { as "$PG_BIN/pg_ctl" -D "$1" -w -s -m fast stop >/dev/null 2>&1; }
# sound: every account is there, and the sum is what transfers leave
sound='SELECT count(*), sum(balance), count(*) FILTER (WHERE id = 77) FROM accounts'

q "CREATE TABLE accounts (id int PRIMARY KEY, balance int)"
q "INSERT INTO accounts SELECT g, 100 FROM generate_series(1, 5000) g"
cat >"$work/transfer.sql" <<'SQL'
\set a random(1, 5000)
\set b random(1, 5000)
BEGIN;
UPDATE accounts SET balance = balance - 5 WHERE id = :a;
UPDATE accounts SET balance = balance + 5 WHERE id = :b;
COMMIT;
SQL
load() { "$tools/pgbench" -n -c 2 -T "$1" -f "$work/transfer.sql" >/dev/null 2>&1 & }

# ---- pg_basebackup in its ways
load 3
"$tools/pg_basebackup" -D "$work/stream" -X stream -c fast -P >"$work/out" 2>&1; ok "pg_basebackup -X stream" $?
"$tools/pg_verifybackup" -n "$work/stream" >"$work/out" 2>&1; ok "pg_verifybackup" $?
wait
start "$work/stream" ""; ok "the backup starts" $?
is "and is sound" "$(r "$sound")" "5000|500000|1"
is "its indexes too" "$(r "SET enable_seqscan = off; SELECT count(*) FROM accounts WHERE id > 0")" 5000
stop "$work/stream"

load 3
"$tools/pg_basebackup" -D "$work/fetch" -X fetch -c fast --manifest-checksums=SHA256 -l 'a label' >"$work/out" 2>&1; ok "pg_basebackup -X fetch" $?
"$tools/pg_verifybackup" -n "$work/fetch" >"$work/out" 2>&1; ok "with SHA256" $?
grep -q '^LABEL: a label$' "$work/fetch/backup_label"; ok "with its label" $?
wait
start "$work/fetch" ""; is "it starts and is sound" "$(r "$sound")" "5000|500000|1"; stop "$work/fetch"

"$tools/pg_basebackup" -D "$work/tar" -Ft -X stream -c fast --max-rate=200M >"$work/out" 2>&1; ok "pg_basebackup -Ft" $?
mkdir "$work/untar" && tar -xf "$work/tar/base.tar" -C "$work/untar" && tar -xf "$work/tar/pg_wal.tar" -C "$work/untar/pg_wal"; ok "tar reads it" $?
start "$work/untar" ""; is "it starts and is sound" "$(r "$sound")" "5000|500000|1"; stop "$work/untar"
"$tools/pg_basebackup" -D "$work/gz" -X none -c fast --compress=server-gzip -Ft >"$work/out" 2>&1; [ $? != 0 ] && grep -q 'compression "gzip" of BASE_BACKUP is not supported yet' "$work/out"; ok "what is not there says so" $?

# ---- pg_receivewal: the log as it comes; with it a backup without log goes on to the end
mkdir "$work/wal"
"$tools/pg_receivewal" -D "$work/wal" -S keeper --create-slot >"$work/out" 2>&1; ok "pg_receivewal --create-slot" $?
is "the slot" "$(q "SELECT slot_name, slot_type, temporary, active, restart_lsn FROM pg_replication_slots")" "keeper|physical|f|f|"
"$tools/pg_receivewal" -D "$work/wal" -S keeper -v --synchronous >"$work/receive" 2>&1 &
receiver=$!
streaming() { [ "$(q "SELECT state FROM pg_stat_replication WHERE application_name = 'pg_receivewal'")" = streaming ]; }
wait_for 10 streaming; ok "pg_stat_replication" $?
"$tools/pg_basebackup" -D "$work/bare" -X none -c fast >"$work/out" 2>&1; ok "pg_basebackup -X none" $?
is "a walsender" "$(q "SELECT backend_type FROM pg_stat_activity WHERE application_name = 'pg_receivewal'")" walsender
q "CREATE TABLE marks (t text)"; q "INSERT INTO marks VALUES ('streamed')"
caught_up() { [ "$(q "SELECT flush_lsn >= pg_current_wal_lsn() FROM pg_stat_replication WHERE application_name = 'pg_receivewal'")" = t ]; }
wait_for 10 caught_up; ok "it has all that is durable" $?
segment=$(q "SELECT pg_walfile_name(pg_switch_wal())")
q "INSERT INTO marks VALUES ('second')"
wait_for 10 test -f "$work/wal/$segment"; ok "a whole segment" $?
cmp -s "$work/wal/$segment" "$PGDATA/pg_wal/$segment"; ok "byte for byte" $?
wait_for 10 caught_up
is "the slot follows" "$(q "SELECT active, restart_lsn IS NOT NULL FROM pg_replication_slots")" "t|t"
kill -INT $receiver; wait $receiver; ok "pg_receivewal ends well" $?
for f in "$work"/wal/*.partial; do mv "$f" "${f%.partial}"; done
chmod -R a+rX "$work/wal"
: >"$work/bare/recovery.signal"
start "$work/bare" "restore_command = 'cp $work/wal/%f %p || cp $PGDATA/pg_wal/%f %p'
recovery_target_action = promote"
is "a backup goes on over the received log" "$(r "SELECT string_agg(t, ',') FROM marks")" "streamed,second"; stop "$work/bare"

# ---- what a slot holds back
kept=$(q "SELECT pg_walfile_name(restart_lsn) FROM pg_replication_slots")
for i in 1 2 3 4; do q "INSERT INTO marks VALUES ('more')"; q "SELECT pg_switch_wal()" >/dev/null; q CHECKPOINT; done
[ -f "$PGDATA/pg_wal/$kept" ]; ok "a slot keeps its log" $?
sh -c "$SERVER_STOP immediate"; sh -c "$DIFF_RESTART"
is "and outlives a crash" "$(q "SELECT slot_name FROM pg_replication_slots")" keeper
q CHECKPOINT
[ -f "$PGDATA/pg_wal/$kept" ]; ok "with its log" $?
"$tools/pg_receivewal" -D "$work/wal" -S keeper --drop-slot >"$work/out" 2>&1; ok "pg_receivewal --drop-slot" $?
q "INSERT INTO marks VALUES ('more')"; q "SELECT pg_switch_wal()" >/dev/null; q CHECKPOINT; q "INSERT INTO marks VALUES ('more')"; q CHECKPOINT
[ ! -f "$PGDATA/pg_wal/$kept" ]; ok "without it the log goes" $?
is "a slot from SQL" "$(q "SELECT slot_name, lsn IS NOT NULL FROM pg_create_physical_replication_slot('by_hand', true)")" "by_hand|t"
psql -X -q -c "SELECT pg_create_physical_replication_slot('Bad Name')" 2>&1 | grep -q 'contains invalid character'; ok "a bad name" $?
q "SELECT pg_drop_replication_slot('by_hand')" >/dev/null
is "and gone" "$(q "SELECT count(*) FROM pg_replication_slots")" 0

# ---- who may
p() { psql -X -q -A -t "dbname=replication replication=true $1" -c "$2" 2>&1; }
is "IDENTIFY_SYSTEM" "$(p '' 'IDENTIFY_SYSTEM' | cut -d'|' -f2)" 1
is "SHOW" "$(p '' 'SHOW wal_segment_size')" 16MB
p '' 'SELECT 1' | grep -q 'cannot execute SQL commands in WAL sender for physical replication'; ok "no SQL without a database" $?
is "SQL with one" "$(psql -X -q -A -t "dbname=postgres replication=database" -c 'SELECT 41 + 1')" 42
p '' 'START_REPLICATION F/0' | grep -q 'requested starting point F/0 is ahead of the WAL flush position'; ok "a start in the future" $?
p '' 'CREATE_REPLICATION_SLOT x LOGICAL y' | grep -q 'not supported yet'; ok "logical slots" $?
p '' 'BASE_BACKUP (NONSENSE)' | grep -q 'unrecognized base backup option: "nonsense"'; ok "an unknown option" $?
q "CREATE ROLE plain LOGIN"; q "CREATE ROLE copier LOGIN REPLICATION"
p 'user=plain' 'IDENTIFY_SYSTEM' | grep -q 'must be superuser or replication role to start walsender'; ok "not for everybody" $?
is "for the REPLICATION attribute" "$(p 'user=copier' 'SHOW wal_level')" replica
echo "$((count - failures)) passed, $failures failed"
[ $failures = 0 ]
