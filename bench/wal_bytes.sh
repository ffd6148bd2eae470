#!/bin/bash
# wal_bytes.sh: bytes of log per pgbench transaction, this server beside PostgreSQL 15: without page images, and with
# them over several checkpoints. The number of transactions between two checkpoints is fixed, so that the faster server
# does not look better by having more of them share an image.
# usage: wal_bytes.sh [-s SCALE] [-n TRANSACTIONS per checkpoint] [-k CHECKPOINTS] [-z]
#   -z   also where the bytes go (pg_waldump --stats=record)
# environment: PG_BIN (this server's programs, default build/bin), PG15_BIN, WAL_CONF (lines for both servers)
set -u
scale=5 transactions=10000 checkpoints=4 stats=
while getopts s:n:k:z o; do
    case $o in
    s) scale=$OPTARG ;;
    n) transactions=$OPTARG ;;
    k) checkpoints=$OPTARG ;;
    z) stats=1 ;;
    *) exit 2 ;;
    esac
done
here=$(cd "$(dirname "$0")" && pwd)
: "${PG_BIN:=$here/../build/bin}" "${PG15_BIN:=/usr/lib/postgresql/15/bin}"
as_user=
user=$(id -un)
[ "$(id -u)" != 0 ] || { user=${SERVER_USER:-postgres}; as_user="runuser -u $user --"; }
work=$(mktemp -d "${TMPDIR:-/tmp}/wal_bytes.XXXXXX") || exit 99
chmod 755 "$work"
mkdir "$work/ours" && cp -L "$PG_BIN/posthaste" "$work/ours/" || exit 99
for name in postgres initdb pg_ctl pg_waldump; do ln -s posthaste "$work/ours/$name"; done
chown -R "$user" "$work"
export PGHOST=$work PGUSER=postgres PGDATABASE=postgres
finish() {
    for d in "$work"/*.data; do $as_user "$bin/pg_ctl" -D "$d" -m immediate -s stop >/dev/null 2>&1; done
    rm -rf "$work"
}
trap finish EXIT

sql() { psql -XAtqc "$1"; }
run() { pgbench -n -c 8 -j 2 -t $((transactions / 8)) >/dev/null 2>&1 || echo "pgbench failed" >&2; }
bytes_of() { # bytes_of COMMAND...: bytes of log it made
    local from
    from=$(sql 'SELECT pg_current_wal_insert_lsn()')
    "$@"
    sql "SELECT pg_current_wal_insert_lsn() - '$from'::pg_lsn"
}
with_checkpoints() { for _ in $(seq "$checkpoints"); do sql CHECKPOINT; run; done; }

measure() { # measure NAME BIN
    local data=$work/$1.data from
    bin=$2
    export PGPORT=$((20000 + RANDOM % 20000))
    $as_user "$bin/initdb" -D "$data" -U postgres -A trust --locale=C -E UTF8 -N >/dev/null 2>&1 || return 1
    cat >>"$data/postgresql.conf" <<CONF
port = $PGPORT
unix_socket_directories = '$work'
listen_addresses = ''
shared_buffers = 256MB
max_wal_size = 8GB
wal_keep_size = 8GB
checkpoint_timeout = 1h
fsync = off
autovacuum = off
${WAL_CONF:-}
CONF
    $as_user "$bin/pg_ctl" -D "$data" -l "$work/$1.log" -w -s start || { tail "$work/$1.log"; return 1; }
    pgbench -i -q -s "$scale" >/dev/null 2>&1 || return 1
    sql "ALTER SYSTEM SET full_page_writes = off" && sql "SELECT pg_reload_conf()" >/dev/null && sleep 0.3
    run # the first updates make new pages
    plain[$3]=$(($(bytes_of run) / transactions))
    [ -z "$stats" ] || from=$(sql 'SELECT pg_current_wal_insert_lsn()')
    sql "ALTER SYSTEM RESET full_page_writes" && sql "SELECT pg_reload_conf()" >/dev/null && sleep 0.3
    images[$3]=$(($(bytes_of with_checkpoints) / (transactions * checkpoints)))
    if [ -n "$stats" ]; then
        echo "== $1"
        (cd "$data" && $as_user "$bin/pg_waldump" -p "$data" -s "$from" -e "$(sql 'SELECT pg_current_wal_flush_lsn()')" --stats=record 2>&1)
    fi
    $as_user "$bin/pg_ctl" -D "$data" -m fast -w -s stop
}
plain=() images=()
measure postgresql "$PG15_BIN" 0 || exit 1
measure posthaste "$work/ours" 1 || exit 1
printf '%-34s %12s %12s %8s\n' "bytes of log per transaction" PostgreSQL Posthaste ratio
row() { printf '%-34s %12d %12d %8s\n' "$1" "$2" "$3" "$(awk "BEGIN {printf \"%.2f\", $3 / $2}")"; }
row "without page images" "${plain[0]}" "${plain[1]}"
row "with, $checkpoints checkpoints of $transactions" "${images[0]}" "${images[1]}"
