#!/bin/sh
# Runs a command against a fresh server: initdb into a temporary directory, start, command, stop.
# usage: with_server.sh BIN_DIR COMMAND [ARG ...]
# The command sees PGHOST, PGPORT, PGUSER, PGDATABASE, PGDATA, PG_BIN, DIFF_RESTART (start) and SERVER_STOP (stop, takes the mode). Exit status: the command's, or
# 99 if the server could not be started, 98 if its log shows a PANIC, a crash or a sanitizer report.
# EXPECT_CRASHES=1: the command kills the server on purpose. SERVER_CONF: lines for postgresql.conf.
set -u
bin=$1
shift
work=$(mktemp -d "${TMPDIR:-/tmp}/posthaste_test.XXXXXX") || exit 99
chmod 755 "$work"
as_user=
if [ "$(id -u)" = 0 ]; then
    user=${SERVER_USER:-$(id -un postgres 2>/dev/null || echo nobody)}
    as_user="runuser -u $user --"
fi
# The build may lie where that user cannot go: run a copy.
mkdir "$work/bin"
cp -L "$bin/posthaste" "$work/bin/posthaste" || exit 99
for name in postgres initdb pg_ctl pg_controldata; do ln -s posthaste "$work/bin/$name"; done
[ -z "$as_user" ] || chown -R "$user" "$work"

port=$((20000 + $$ % 20000))
PGDATA=$work/data PGPORT=$port PGHOST=$work PGUSER=postgres PGDATABASE=postgres PG_BIN=$work/bin
DIFF_RESTART="$as_user $PG_BIN/pg_ctl -D $PGDATA -l $work/log -w -s start"
SERVER_STOP="$as_user $PG_BIN/pg_ctl -D $PGDATA -w -s stop -m"
export PGDATA PGPORT PGHOST PGUSER PGDATABASE PG_BIN DIFF_RESTART SERVER_STOP

finish() {
    status=$1
    $as_user "$PG_BIN/pg_ctl" -D "$PGDATA" -m immediate -w -s stop >/dev/null 2>&1
    if [ "${EXPECT_CRASHES:-0}" = 0 ] && [ -f "$work/log" ] &&
        grep -Eq 'PANIC|was terminated by signal (6|7|8|11)|ERROR: AddressSanitizer|runtime error:' "$work/log"; then
        echo "--- the server's log shows a crash:"
        grep -En -B2 -A12 'PANIC|was terminated by signal (6|7|8|11)|ERROR: AddressSanitizer|runtime error:' "$work/log" | head -80
        [ "$status" != 0 ] && [ "$status" != 77 ] || status=98 # nor does a skipped test hide it
    fi
    if [ "$status" != 0 ] && [ -f "$work/log" ]; then
        echo "--- end of the server's log:"
        tail -n 25 "$work/log"
    fi
    [ "${KEEP_SERVER:-0}" = 1 ] && echo "kept: $work" || rm -rf "$work"
    exit "$status"
}
trap 'finish 130' INT TERM

$as_user "$PG_BIN/initdb" -D "$PGDATA" -U postgres -A trust --locale=C -E UTF8 -N >"$work/initdb.log" 2>&1 || {
    cat "$work/initdb.log"
    finish 99
}
{
    echo "port = $port"
    echo "unix_socket_directories = '$work'"
    echo "listen_addresses = '127.0.0.1'"
    printf '%s\n' "${SERVER_CONF:-}"
} >>"$PGDATA/postgresql.conf"
$as_user "$PG_BIN/pg_ctl" -D "$PGDATA" -l "$work/log" -w -s start || finish 99
"$@"
finish $?
