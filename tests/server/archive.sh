#!/bin/bash
# The archiver: order, failures, signals, what a stop leaves, and that no segment goes before it is archived.
# Runs under with_server.sh with archive_mode = on and archive_command = 'bash HELPER %p %f "100%%"'.
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" != inside ]; then
    # with_server.sh BIN archive.sh: the command needs a place that exists before the server does.
    dir=$(mktemp -d "${TMPDIR:-/tmp}/posthaste_archive.XXXXXX")
    trap 'rm -rf "$dir"' EXIT
    mkdir "$dir/archive"
    cat >"$dir/command" <<'SH'
# path name percent: what it does says the file "mode"
dir=$(dirname "$0")
[ "$3" = '100%' ] || exit 9
case $(cat "$dir/mode" 2>/dev/null) in
    fail) exit 1 ;;
    sometimes) [ $((RANDOM % 3)) = 0 ] || exit 1 ;;
    signal) kill -TERM $$ ;;
    hang) sleep 600 ;;
esac
if [ -f "$dir/archive/$2" ]; then cmp -s "$1" "$dir/archive/$2"; exit; fi
cp "$1" "$dir/archive/$2.tmp" && mv "$dir/archive/$2.tmp" "$dir/archive/$2" && echo "$2" >>"$dir/order"
SH
    chmod -R a+rwX "$dir"
    export ARCHIVE_WORK=$dir
    export SERVER_CONF="archive_mode = on
archive_command = 'bash $dir/command %p %f \"100%%\"'
min_wal_size = 32MB
max_wal_size = 64MB"
    sh "$here/with_server.sh" "$1" bash "$here/archive.sh" inside
    exit
fi

dir=$ARCHIVE_WORK
log=$PGHOST/log
failures=0 count=0
ok() { count=$((count + 1)); [ "$2" = 0 ] || { echo "FAIL: $1"; failures=$((failures + 1)); }; }
q() { psql -X -q -A -t -c "$1"; }
mode() { echo "$1" >"$dir/mode"; }
wait_for() { local n=$(($1 * 10)); shift; while [ $n -gt 0 ]; do "$@" && return 0; sleep 0.1; n=$((n - 1)); done; return 1; }
archived() { [ -f "$dir/archive/$1" ]; }
status_of() { ls "$PGDATA/pg_wal/archive_status" | grep -c "\.$1\$"; }
switch() { q "INSERT INTO t SELECT generate_series(1, 10)" ; q "SELECT pg_walfile_name(pg_switch_wal())"; }

q "CREATE TABLE t (a int)"
# ---- a segment is copied whole
first=$(switch)
wait_for 10 archived "$first"; ok "a segment is archived" $?
cmp -s "$dir/archive/$first" "$PGDATA/pg_wal/$first"; ok "as it is" $?
done_and_counted() { [ -f "$PGDATA/pg_wal/archive_status/$first.done" ] && [ "$(q "SELECT last_archived_wal FROM pg_stat_archiver WHERE archived_count >= 1 AND failed_count = 0")" = "$first" ]; }
wait_for 5 done_and_counted; ok "its status and the counters follow" $?
[ "$(q "SELECT file_offset FROM pg_walfile_name_offset('0/2000028')")" = 40 ]; ok "pg_walfile_name_offset" $?
[ "$(q "SELECT pg_wal_lsn_diff('0/3000000', '0/2000000')")" = 16777216 ]; ok "pg_wal_lsn_diff" $?
! psql -X -q -c "CREATE ROLE weak LOGIN" -c "SET ROLE weak" -c "SELECT pg_switch_wal()" >"$dir/out" 2>&1 || true
grep -q 'permission denied for function pg_switch_wal' "$dir/out"; ok "pg_switch_wal is for superusers" $?

# ---- a command that fails loses nothing
mode fail
kept=$(switch)
failed() { [ "$(q "SELECT last_failed_wal FROM pg_stat_archiver")" = "$kept" ]; }
wait_for 10 failed; ok "a failure is counted" $?
for i in 1 2 3; do switch >/dev/null; q CHECKPOINT; done
[ -f "$PGDATA/pg_wal/$kept" ] && [ -f "$PGDATA/pg_wal/archive_status/$kept.ready" ]; ok "what is not archived stays" $?
logged() { grep -q 'archive command failed with exit code 1' "$log" && grep -q 'The failed archive command was: bash .* "100%"' "$log" && grep -q "archiving write-ahead log file \"$kept\" failed too many times, will try again later" "$log"; }
wait_for 10 logged; ok "the log says so as PostgreSQL's" $?

# ---- nor one that fails now and then, in any order
mode sometimes
: >"$dir/order"
q "SELECT pg_reload_conf()" >/dev/null
for i in 1 2; do last=$(switch); done
mode ok
last=$(switch)
wait_for 30 archived "$last"; ok "in the end all is archived" $?
sort -c "$dir/order" && [ "$(sort -u "$dir/order" | wc -l)" -ge 6 ]; ok "oldest first" $?
archived "$kept"; ok "also what failed at first" $?
q CHECKPOINT; q "INSERT INTO t VALUES (1)"; switch >/dev/null; q CHECKPOINT
old_gone() { [ ! -f "$PGDATA/pg_wal/$first" ] && [ ! -f "$PGDATA/pg_wal/archive_status/$first.done" ]; }
wait_for 5 old_gone; ok "an archived segment goes, with its status" $?

# ---- a history file goes first
mode fail
switch >/dev/null
echo history >"$PGDATA/pg_wal/00000009.history"; : >"$PGDATA/pg_wal/archive_status/00000009.history.ready"
chown --reference="$PGDATA" "$PGDATA/pg_wal/00000009.history" "$PGDATA/pg_wal/archive_status/00000009.history.ready"
: >"$dir/order"; mode ok
last=$(switch)
wait_for 15 archived "$last"; ok "after a pause it goes on" $?
[ "$(head -1 "$dir/order")" = 00000009.history ] || [ "$(sed -n 2p "$dir/order")" = 00000009.history ]; ok "a history file does not wait" $?
rm -f "$PGDATA/pg_wal/00000009.history"

# ---- a stop archives what there is
q "INSERT INTO t VALUES (200)"
last=$(q "SELECT pg_walfile_name(pg_current_wal_lsn())")
sh -c "$SERVER_STOP fast"
archived "$last"; ok "a stop archives the segment in use" $?
[ "$(status_of ready)" = 0 ]; ok "and leaves nothing" $?
sh -c "$DIFF_RESTART"

# ---- a command killed by a signal; one that hangs
mode signal
last=$(switch)
killed() { grep -q 'archive command was terminated by signal 15: Terminated' "$log" || grep -q 'archive command failed with exit code 143' "$log"; }
wait_for 10 killed; ok "death by signal ends the archiver" $?
[ "$(q "SELECT 1")" = 1 ]; ok "and nobody else" $?
mode hang
sh -c "$SERVER_STOP immediate"; sh -c "$DIFF_RESTART"
hangs() { grep -lq "${dir##*/}/[c]ommand" /proc/[0-9]*/cmdline 2>/dev/null; }
wait_for 10 hangs; ok "a command hangs" $?
[ "$(q "SELECT count(*) FROM t WHERE a = 200")" = 1 ]; ok "nobody waits for it" $?
sh -c "$SERVER_STOP immediate"
gone() { ! hangs; }
wait_for 10 gone; ok "an immediate stop ends it" $?
mode ok
sh -c "$DIFF_RESTART"
wait_for 10 archived "$last"; ok "the next start archives what was left" $?
echo "$((count - failures)) passed, $failures failed"
[ $failures = 0 ]
