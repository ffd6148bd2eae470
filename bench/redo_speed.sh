#!/bin/bash
# redo_speed.sh: how fast a crashed server replays pgbench's log, this one beside PostgreSQL 15. Each gets the same
# transactions after one checkpoint, is stopped at once, and is then started several times on a copy of what it left.
# usage: redo_speed.sh [-s SCALE] [-n TRANSACTIONS] [-r REPEATS] [-d DIR]
#   -d DIR   keep the crashed clusters in DIR and use them again the next time
# environment: PG_BIN (this server's programs, default build/bin), PG15_BIN, WAL_CONF (lines for both servers)
set -u
scale=10 transactions=100000 repeats=3 keep=
while getopts s:n:r:d: o; do
    case $o in
    s) scale=$OPTARG ;;
    n) transactions=$OPTARG ;;
    r) repeats=$OPTARG ;;
    d) keep=$OPTARG ;;
    *) exit 2 ;;
    esac
done
here=$(cd "$(dirname "$0")" && pwd)
: "${PG_BIN:=$here/../build/bin}" "${PG15_BIN:=/usr/lib/postgresql/15/bin}"
as_user=
user=$(id -un)
[ "$(id -u)" != 0 ] || { user=${SERVER_USER:-postgres}; as_user="runuser -u $user --"; }
work=$(mktemp -d "${TMPDIR:-/tmp}/redo_speed.XXXXXX") || exit 99
chmod 755 "$work"
mkdir "$work/ours" && cp -L "$PG_BIN/posthaste" "$work/ours/" || exit 99
for name in postgres initdb pg_ctl; do ln -s posthaste "$work/ours/$name"; done
dir=${keep:-$work}
mkdir -p "$dir"
chown "$user" "$work" "$dir"
export PGHOST=$work PGUSER=postgres PGDATABASE=postgres PGPORT=$((20000 + $$ % 20000))
declare -A programs=([postgresql]=$PG15_BIN [posthaste]=$work/ours)
finish() {
    for name in postgresql posthaste; do
        for d in "$dir/$name" "$work/$name.run"; do
            [ -d "$d" ] && $as_user "${programs[$name]}/pg_ctl" -D "$d" -m immediate -s stop >/dev/null 2>&1
        done
    done
    rm -rf "$work"
}
trap finish EXIT
sql() { psql -XAtqc "$1"; }

prepare() { # a cluster that crashed with much to replay
    local bin=${programs[$1]} data=$dir/$1
    [ -f "$data.bytes" ] && return 0
    rm -rf "$data"
    $as_user "$bin/initdb" -D "$data" -U postgres -A trust --locale=C -E UTF8 -N >/dev/null 2>&1 || return 1
    cat >>"$data/postgresql.conf" <<CONF
listen_addresses = ''
shared_buffers = 512MB
max_wal_size = 16GB
checkpoint_timeout = 1h
fsync = off
autovacuum = off
bgwriter_lru_maxpages = 0
${WAL_CONF:-}
CONF
    $as_user "$bin/pg_ctl" -D "$data" -l "$work/$1.log" -w -s -o "-p $PGPORT -k $work" start || return 1
    pgbench -i -q -s "$scale" >/dev/null 2>&1 || return 1
    sql CHECKPOINT
    local from
    from=$(sql 'SELECT pg_current_wal_insert_lsn()')
    PGOPTIONS='-c synchronous_commit=off' pgbench -n -c 8 -j 2 -t $((transactions / 8)) >/dev/null 2>&1 || return 1
    sql "BEGIN; SET LOCAL synchronous_commit = on; CREATE TABLE last_one (i int); COMMIT"
    sql "SELECT pg_current_wal_insert_lsn() - '$from'::pg_lsn" >"$data.bytes"
    $as_user "$bin/pg_ctl" -D "$data" -m immediate -s stop
}

replay() { # prints milliseconds of redo, of the whole start, and of redo's processor time
    local bin=${programs[$1]} data=$work/$1.run log=$work/$1.redo began ended
    rm -rf "$data" "$log"
    cp -a "$dir/$1" "$data"
    cat "$data"/base/*/* "$data"/pg_wal/* >/dev/null 2>&1 # in the page cache, for both
    began=$(date +%s%N)
    $as_user "$bin/pg_ctl" -D "$data" -l "$log" -w -s -t 300 -o "-p $PGPORT -k $work" start || { tail "$log" >&2; return 1; }
    ended=$(date +%s%N)
    $as_user "$bin/pg_ctl" -D "$data" -m immediate -s stop
    awk -v total=$(((ended - began) / 1000000)) '
        { split($2, t, ":"); ms = ((t[1] * 60 + t[2]) * 60 + t[3]) * 1000 }
        /redo starts at/ { from = ms }
        /redo done at/ { match($0, /user: [0-9.]+ s, system: [0-9.]+/); split(substr($0, RSTART, RLENGTH), c, " ")
                         printf "%d %d %d\n", ms - from, total, (c[2] + c[5]) * 1000 }' "$log"
}

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
for name in postgresql posthaste; do prepare "$name" || { echo "preparing $name failed"; cat "$work/$name.log"; exit 1; }; done
for _ in $(seq "$repeats"); do
    for name in postgresql posthaste; do replay "$name" >>"$work/$name.times"; done
done
printf '%-12s %8s %9s %9s %9s %8s %16s %20s\n' server "log MB" "redo ms" "CPU ms" "start ms" "MB/s" "transactions/s" "transactions/CPU s"
for name in postgresql posthaste; do
    bytes=$(cat "$dir/$name.bytes")
    redo=$(cut -d' ' -f1 "$work/$name.times" | median)
    total=$(cut -d' ' -f2 "$work/$name.times" | median)
    cpu=$(cut -d' ' -f3 "$work/$name.times" | median)
    awk -v n="$name" -v b="$bytes" -v r="$redo" -v c="$cpu" -v t="$total" -v x="$transactions" \
        'BEGIN { printf "%-12s %8.1f %9d %9d %9d %8.1f %16.0f %20.0f\n", n, b / 1e6, r, c, t, b / 1e3 / r, x * 1000 / r, x * 1000 / (c ? c : 1) }'
done
