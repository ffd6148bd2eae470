#!/bin/bash
# power_loss.sh: records a server at work, then recovers and checks images of what its disk could hold
# after a loss of power. See tests/torture/README.md.
set -u
usage() {
    cat <<'USAGE'
usage: power_loss.sh [options]

  --images N      images to recover (default 300)
  --seconds S     how long the load runs (default 3)
  --clients N     clients of the load (default 6)
  --seed N        seed of load and images (default: the time; it is printed)
  --parallel N    images at a time (default 2)
  --server N      of the images, so many are also started as a whole server (default 2)
  --keep DIR      keep trace, base and failed images in DIR; with a trace there already, only replay (a run that
                  was stopped goes on)
  --image I       only image I, with the same numbers as before; it is kept as DIR/work/failed.I

environment:
  PG_BIN       directory of posthaste-faults, power, power_load   (needed)
  POWER_CONF   lines for postgresql.conf
  POWER_WORK   where images are made (default: /dev/shm if it can be written to)
  SERVER_USER  as whom the server runs when this runs as root (default postgres)
USAGE
}
images=300 seconds=3 clients=6 seed=$(date +%s) parallel=2 server=2 keep= image=
while [ $# -gt 0 ]; do
    case $1 in
    --images) images=$2; shift ;;
    --seconds) seconds=$2; shift ;;
    --clients) clients=$2; shift ;;
    --seed) seed=$2; shift ;;
    --parallel) parallel=$2; shift ;;
    --server) server=$2; shift ;;
    --keep) keep=$2; shift ;;
    --image) image=$2; shift ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
: "${PG_BIN:?}"
shm=${POWER_WORK:-/dev/shm}
[ -w "$shm" ] || shm=${TMPDIR:-/tmp}
as_user=
user=$(id -un)
if [ "$(id -u)" = 0 ]; then
    user=${SERVER_USER:-$(id -un postgres 2>/dev/null || echo nobody)}
    as_user="runuser -u $user --"
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/power.XXXXXX") && images_dir=$(mktemp -d "$shm/power.XXXXXX") || exit 99
chmod 755 "$work" "$images_dir"
dir=${keep:-$work}
mkdir -p "$dir"
mkdir "$work/bin" && cp "$PG_BIN/posthaste-faults" "$work/bin/posthaste" || exit 99
for name in postgres initdb pg_ctl; do ln -s posthaste "$work/bin/$name"; done
export PGHOST=$work PGPORT=$((20000 + $$ % 20000)) PGDATABASE=postgres PGUSER=postgres
data=$work/data
finish() {
    $as_user "$work/bin/pg_ctl" -D "$data" -m immediate -s stop >/dev/null 2>&1
    [ "$1" = 0 ] || [ ! -f "$work/log" ] || tail -n 15 "$work/log"
    if [ -n "$keep" ]; then
        mkdir -p "$keep/work" && cp -a "$images_dir"/failed.* "$keep/work/" 2>/dev/null
        cp "$work/log" "$keep/server.log" 2>/dev/null
    fi
    rm -rf "$work" "$images_dir"
    exit "$1"
}
trap 'finish 130' INT TERM
fail() { echo "power_loss.sh: $*"; finish 99; }

touch "$work/log"
chown "$user" "$work" "$work/log"

record() {
    touch "$dir/trace"
    chmod 666 "$dir/trace"
    $as_user "$work/bin/initdb" -D "$data" -U postgres -A trust --locale=C -E UTF8 -N >"$work/initdb.log" 2>&1 || fail "initdb"
    cat >>"$data/postgresql.conf" <<CONF
port = $PGPORT
unix_socket_directories = '$work'
listen_addresses = ''
shared_buffers = 1MB
min_wal_size = 32MB
max_wal_size = 48MB
checkpoint_timeout = 30s
csn_ring_size = 2048
${POWER_CONF:-}
CONF
    $as_user "$work/bin/pg_ctl" -D "$data" -l "$work/log" -w -s start || fail "start"
    "$PG_BIN/power_load" init || fail "load init"
    $as_user "$work/bin/pg_ctl" -D "$data" -w -s stop || fail "stop"
    rm -rf "$dir/base"
    "$PG_BIN/power" snapshot "$data" "$dir/base" "$dir/manifest" || fail "snapshot"
    $as_user env POSTHASTE_IO_TRACE="$dir/trace" "$work/bin/pg_ctl" -D "$data" -l "$work/log" -w -s start || fail "start"
    "$PG_BIN/power_load" run -c "$clients" -T "$seconds" -s "$seed" -t "$dir/trace" || fail "load run"
    $as_user "$work/bin/pg_ctl" -D "$data" -m immediate -s stop
    grep -Eq 'PANIC|was terminated by signal (6|7|8|11)' "$work/log" && fail "the server crashed under the load"
}

# A whole server on an image: it starts, answers, stops, starts again.
whole_server() {
    local at=$1 image_data=$images_dir/failed.$1
    "$PG_BIN/power" replay "$dir/base" "$dir/manifest" "$dir/trace" "$images_dir" -n "$images" -s "$seed" -j 1 -k -1 "$at" ||
        { echo "image $at FAILED in the second run"; return 1; }
    rm -rf "$images_dir/0"
    rm -f "$image_data/postmaster.pid"
    chown -R "$user" "$image_data" && chmod 700 "$image_data"
    for round in 1 2; do
        $as_user "$work/bin/pg_ctl" -D "$image_data" -l "$work/log" -w -s start || return 1
        psql -XAtq -c "SELECT count(*) FROM acked" -c "SELECT sum(length(body)) FROM docs" -c "CHECKPOINT" >/dev/null || return 1
        $as_user "$work/bin/pg_ctl" -D "$image_data" -w -s stop || return 1
    done
    rm -rf "$image_data"
}

echo "seed $seed"
[ -s "$dir/trace" ] && [ -s "$dir/manifest" ] || record
status=0
"$PG_BIN/power" replay "$dir/base" "$dir/manifest" "$dir/trace" "$images_dir" -n "$images" -s "$seed" -j "$parallel" -k \
    ${keep:+-r "$dir/state.$images.$seed"} ${image:+-1 "$image"} || status=1
rm -rf "$images_dir"/[0-9]*
if [ -z "$image" ]; then
    for i in $(seq 1 "$server"); do
        whole_server $((images * i / (server + 1))) || { echo "image $((images * i / (server + 1))): the server FAILED"; status=1; }
    done
fi
finish $status
