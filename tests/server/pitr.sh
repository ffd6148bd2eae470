#!/bin/bash
# Recovery to a point in time from a base backup and the archive: by time (to the second), transaction, name,
# position, consistency; timelines; the errors; kill -9 in the middle; promotion of a paused server.
# usage: pitr.sh BIN   (PITR_LOOPS=n: more rounds of kill -9)
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != inside ]; then
    dir=$(mktemp -d "${TMPDIR:-/tmp}/posthaste_pitr.XXXXXX")
    mkdir "$dir/archive"
    chmod -R a+rwX "$dir"
    export PITR_WORK=$dir
    export SERVER_CONF="archive_mode = on
archive_command = 'test ! -f $dir/archive/%f && cp %p $dir/archive/%f.tmp && mv $dir/archive/%f.tmp $dir/archive/%f'
wal_level = replica
log_min_messages = info"
    sh "$here/with_server.sh" "$1" bash "$here/pitr.sh" inside
    status=$?
    [ "${KEEP_SERVER:-0}" = 1 ] && echo "kept: $dir" || rm -rf "$dir"
    exit $status
fi

dir=$PITR_WORK
owner=$(stat -c %U "$PGDATA")
failures=0 count=0
as() { if [ "$(id -u)" = 0 ]; then runuser -u "$owner" -- "$@"; else "$@"; fi; }
ok() { count=$((count + 1)); [ "$2" = 0 ] || { echo "FAIL: $1"; failures=$((failures + 1)); [ -f "$dir/log" ] && tail -n 30 "$dir/log"; }; }
is() { count=$((count + 1)); [ "$2" = "$3" ] || { echo "FAIL: $1: got $2, want $3"; failures=$((failures + 1)); [ -f "$dir/log" ] && tail -n 30 "$dir/log"; }; }
q() { psql -X -q -A -t -c "$1"; }
rport=$((PGPORT + 1))
r() { PGPORT=$rport PGHOST=$dir psql -X -q -A -t -c "$1" 2>&1; }
wait_for() { local n=$(($1 * 10)); shift; while [ $n -gt 0 ]; do "$@" && return 0; sleep 0.1; n=$((n - 1)); done; return 1; }
logged() { grep -q -- "$1" "$dir/log"; }

# restore SETTINGS: a copy of the backup, with what is to be recovered to.
restore() {
    rm -rf "$dir/restored"; : >"$dir/log"
    cp -a "$dir/backup" "$dir/restored"
    rm -f "$dir/restored/postmaster.pid"
    { cat "$dir/restored/postgresql.conf"
      echo "port = $rport
unix_socket_directories = '$dir'
archive_mode = off
fsync = off
shared_buffers = 16MB
restore_command = 'cp $dir/archive/%f %p'
$1"; } >"$dir/conf"
    cp "$dir/conf" "$dir/restored/postgresql.conf"
    : >"$dir/restored/recovery.signal"
    chown -R "$owner" "$dir/restored" "$dir/log"
}
start() { as "$PG_BIN/pg_ctl" -D "$dir/restored" -l "$dir/log" -w -s -t "${1:-60}" start >/dev/null 2>&1; }
stop() { as "$PG_BIN/pg_ctl" -D "$dir/restored" -w -s -m "${1:-fast}" stop >/dev/null 2>&1; }

# ---- a backup by hand, while rows come in
q "CREATE TABLE t (id serial PRIMARY KEY, what text, at timestamptz DEFAULT clock_timestamp())"
q "INSERT INTO t (what) SELECT 'old' FROM generate_series(1, 2000)"
coproc backup { psql -X -q -A -t; }
ask() { echo "$1" >&"${backup[1]}"; read -r answer <&"${backup[0]}"; }
ask "SELECT pg_backup_start('by hand', true);"
start_lsn=$answer
(for i in 1 2 3 4 5; do q "INSERT INTO t (what) SELECT 'during' FROM generate_series(1, 100)"; done) &
cp -a "$PGDATA" "$dir/backup"
wait $!
rm -rf "$dir/backup/pg_wal"/0* "$dir/backup/pg_wal/archive_status" "$dir/backup/postmaster.pid"
echo "SELECT labelfile FROM pg_backup_stop();" >&"${backup[1]}"
echo "\\echo end" >&"${backup[1]}"
: >"$dir/backup/backup_label"
while read -r line <&"${backup[0]}" && [ "$line" != end ]; do echo "$line" >>"$dir/backup/backup_label"; done
echo '\q' >&"${backup[1]}"
grep -q "^START WAL LOCATION: $start_lsn (file 0000000100000000000000" "$dir/backup/backup_label"; ok "backup_label" $?
grep -q '^LABEL: by hand$' "$dir/backup/backup_label"; ok "with its label" $?
[ "$(ls "$dir"/archive/*.backup | wc -l)" = 1 ]; ok "the backup history file is archived" $?
is "stop without start" "$(psql -X -q -c 'SELECT pg_backup_stop()' 2>&1 | head -1)" "ERROR:  backup is not in progress"

# ---- history: before | T | after ; name ; xid
q "INSERT INTO t (what) VALUES ('before')"
sleep 1.1
T=$(q "SELECT clock_timestamp()")
sleep 1.1
xid=$(q "BEGIN; INSERT INTO t (what) VALUES ('after'); SELECT txid_current(); COMMIT;")
q "SELECT pg_create_restore_point('here')" >/dev/null
lsn=$(q "SELECT pg_current_wal_insert_lsn()")
q "INSERT INTO t (what) VALUES ('last')"
last=$(q "SELECT pg_walfile_name(pg_switch_wal())")
archived() { [ -f "$dir/archive/$1" ]; }
wait_for 15 archived "$last"; ok "all is archived" $?
state() { r "SELECT (SELECT count(*) FROM t WHERE what IN ('old','during')), string_agg(what, ',' ORDER BY id) FROM t WHERE what NOT IN ('old','during')"; }

restore "recovery_target_time = '$T'
recovery_target_action = promote"
start; ok "recovers to a time" $?
is "to the second" "$(state)" "2500|before"
is "and is open" "$(r 'SELECT pg_is_in_recovery()')" f
is "for writing" "$(r "INSERT INTO t (what) VALUES ('new'); SELECT count(*) FROM t WHERE what = 'new'")" 1
is "on a new timeline" "$(r "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")" 00000002
[ ! -f "$dir/restored/recovery.signal" ] && [ -f "$dir/restored/backup_label.old" ] && [ ! -f "$dir/restored/backup_label" ]; ok "the signal file is gone" $?
grep -q "^1	.*	before 20" "$dir/restored/pg_wal/00000002.history"; ok "its history says why" $?
logged "starting point-in-time recovery to" && logged "recovery stopping before commit of transaction $xid" && logged "selected new timeline ID: 2" && logged "archive recovery complete"; ok "as the log does" $?
stop immediate; start; ok "a crash afterwards stays on it" $?
is "with all its rows" "$(state)" "2500|before,new"
stop

restore "recovery_target_xid = '$xid'
recovery_target_action = promote"
start; is "to a transaction, inclusive" "$(state)" "2500|before,after"; stop
restore "recovery_target_xid = '$xid'
recovery_target_inclusive = off
recovery_target_action = promote"
start; is "to a transaction, exclusive" "$(state)" "2500|before"; stop
restore "recovery_target_name = 'here'
recovery_target_action = promote
recovery_end_command = 'echo done > $dir/end_command; chmod a+r $dir/end_command'"
start; is "to a restore point" "$(state)" "2500|before,after"; stop
[ -f "$dir/end_command" ]; ok "recovery_end_command" $?
restore "recovery_target_lsn = '$lsn'
recovery_target_action = promote"
start; is "to a position" "$(state)" "2500|before,after"; stop
restore "recovery_target = 'immediate'
recovery_target_action = promote"
start; is "to consistency" "$(r "SELECT count(*) >= 2000 FROM t WHERE what = 'old'")" t; stop
restore ""
start; is "to the end" "$(state)" "2500|before,after,last"; stop

# ---- what cannot be
restore "recovery_target_name = 'nowhere'"
start; [ $? != 0 ] && logged 'FATAL:  recovery ended before configured recovery target was reached'; ok "a target that is not there" $?
restore "recovery_target_name = 'here'
recovery_target_xid = '5'"
start; [ $? != 0 ] && logged 'FATAL:  multiple recovery targets specified'; ok "two targets" $?
restore "recovery_target_timeline = 7"
start; [ $? != 0 ] && logged 'FATAL:  recovery target timeline 7 does not exist'; ok "a timeline that is not there" $?
restore ""; sed -i '/^restore_command/d' "$dir/restored/postgresql.conf"
start; [ $? != 0 ] && logged 'must specify restore_command when standby mode is not enabled'; ok "no restore_command" $?
restore ""; rm "$dir/restored/recovery.signal"
start; [ $? != 0 ] && logged 'could not locate required checkpoint record'; ok "a backup without its log" $?
first=$(sed -n 's/^START WAL LOCATION: .*(file \(.*\))/\1/p' "$dir/backup/backup_label")
restore "restore_command = 'test %f = $first && cp $dir/archive/%f %p'"
start; [ $? != 0 ] && { logged 'FATAL:  WAL ends before end of online backup' || logged 'WAL ends before consistent'; } || { start; r 'SELECT 1' >/dev/null; }; ok "a log that ends too early" $?
stop immediate
restore "recovery_target_name = 'here'
recovery_target_action = shutdown"
start; wait_for 20 logged 'shutdown at recovery target'; ok "shutdown at the target" $?
wait_for 10 test ! -f "$dir/restored/postmaster.pid"; ok "the server has gone" $?
sed -i "s/^recovery_target_action.*/recovery_target_action = promote/" "$dir/restored/postgresql.conf"
start; is "and goes on from there" "$(state)" "2500|before,after"; stop

# ---- a pause, which is the default, and promotion by hand; a stop in between
restore "recovery_target_name = 'here'"
as "$PG_BIN/pg_ctl" -D "$dir/restored" -l "$dir/log" -W -s start
wait_for 20 logged 'pausing at the end of recovery'; ok "pause at the target" $?
r 'SELECT 1' | grep -q 'the database system is starting up'; ok "no sessions meanwhile" $?
as "$PG_BIN/pg_controldata" -D "$dir/restored" | grep -q 'cluster state: *in archive recovery'; ok "pg_controldata says why" $?
stop; as "$PG_BIN/pg_controldata" -D "$dir/restored" | grep -q 'cluster state: *shut down in recovery'; ok "a stop in recovery" $?
: >"$dir/log"
as "$PG_BIN/pg_ctl" -D "$dir/restored" -l "$dir/log" -W -s start
wait_for 20 logged 'pausing at the end of recovery'; ok "and at the target again" $?
as "$PG_BIN/pg_ctl" -D "$dir/restored" -w -s promote; ok "pg_ctl promote" $?
is "it is open" "$(state)" "2500|before,after"; stop
as "$PG_BIN/pg_ctl" -D "$PGDATA" promote 2>&1 | grep -q 'server is not in standby mode'; ok "no promotion of a primary" $?

# ---- standby mode over the archive: waits for more, ends by promotion
restore ""; mv "$dir/restored/recovery.signal" "$dir/restored/standby.signal"
echo "wal_retrieve_retry_interval = 100ms" >>"$dir/restored/postgresql.conf"
as "$PG_BIN/pg_ctl" -D "$dir/restored" -l "$dir/log" -W -s start
wait_for 20 logged 'consistent recovery state reached'; ok "standby mode" $?
q "INSERT INTO t (what) VALUES ('later')"; q "DELETE FROM t WHERE what = 'later'"
later=$(q "SELECT pg_walfile_name(pg_switch_wal())")
wait_for 20 logged "restored log file \"$later\" from archive"; ok "follows the archive" $?
as "$PG_BIN/pg_ctl" -D "$dir/restored" -w -s promote; ok "until it is promoted" $?
is "with all of it" "$(state)" "2500|before,after,last"; stop
restore "primary_conninfo = 'host=nowhere'"; : >"$dir/restored/standby.signal"; chown "$owner" "$dir/restored/standby.signal"
start; [ $? != 0 ] && logged 'following another server ("primary_conninfo") is not supported yet'; ok "streaming is refused" $?

# ---- killed in the middle: restore_command waits at its second file
for loop in $(seq 1 "${PITR_LOOPS:-2}"); do
    restore "recovery_target_name = 'here'
recovery_target_action = promote
restore_command = 'case %f in $first|*.history) ;; *) test -f $dir/go || sleep 20 ;; esac; cp $dir/archive/%f %p'"
    rm -f "$dir/go"
    as "$PG_BIN/pg_ctl" -D "$dir/restored" -l "$dir/log" -W -s start
    wait_for 10 logged 'redo starts at'; ok "redo has begun" $?
    sleep "0.$((RANDOM % 5))"
    pid=$(head -1 "$dir/restored/postmaster.pid")
    if [ $((loop % 2)) = 1 ]; then kill -9 "$pid"; else kill -9 $(ps -o pid= --ppid "$pid"); fi
    : >"$dir/go"; chmod a+r "$dir/go"
    gone() { ! kill -0 "$pid" 2>/dev/null; }
    wait_for 20 gone; ok "the server has died" $?
    : >"$dir/log"
    start; is "killed, it recovers all the same" "$(state)" "2500|before,after"
    stop
done

# ---- timelines: what the recovered server writes, its archive, and a recovery along both
restore "recovery_target_name = 'here'
recovery_target_action = promote
archive_mode = on"
start
r "INSERT INTO t (what) VALUES ('second life')" >/dev/null
last=$(r "SELECT pg_walfile_name(pg_switch_wal())")
wait_for 15 archived "$last"; ok "the new timeline is archived" $?
archived 00000002.history; ok "with its history" $?
stop
restore ""
start; is "latest: onto timeline 2 and from there to 3" "$(state)|$(r "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")" "2500|before,after,second life|00000003"; stop
restore "recovery_target_timeline = current"
start; is "current: the old one to its end" "$(state)" "2500|before,after,last"; stop
restore "recovery_target_timeline = 1
recovery_target_time = '$T'
recovery_target_action = promote"
start; is "timeline 1 by number" "$(state)" "2500|before"; stop
echo "1	0/1000100	a lie" >"$dir/archive/00000009.history"
restore "recovery_target_timeline = 9"
start; [ $? != 0 ] && logged 'requested timeline 9 is not a child of this server'; ok "a timeline that left too early" $?
rm -f "$dir/archive/00000009.history"

echo "$((count - failures)) passed, $failures failed"
[ $failures = 0 ]
