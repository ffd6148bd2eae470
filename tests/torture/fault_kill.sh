#!/bin/bash
# fault_kill.sh: SIGKILL at named points of the code, in every kind of process that passes them, and
# checks that the server recovers with everything it acknowledged. See tests/torture/README.md.
set -u
usage() {
    cat <<'USAGE'
usage: fault_kill.sh [options]

  --rounds N      rounds (default 12); 0: every point in every kind of process, once killed alone and once with the
                  postmaster
  --seconds S     stop after about that long (default 30; 0: no limit)
  --clients N     clients of the load (default 5)
  --seed N        seed of all choices (default: the time; it is printed)
  --only POINT    rounds with this point only

environment: PG_BIN (directory of posthaste-faults, power_load, faultctl), SERVER_USER
USAGE
}
rounds=12 limit=30 clients=5 seed=$(date +%s) only=
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) rounds=$2; shift ;;
    --seconds) limit=$2; shift ;;
    --clients) clients=$2; shift ;;
    --seed) seed=$2; shift ;;
    --only) only=$2; shift ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
: "${PG_BIN:?}"
as_user=
user=$(id -un)
if [ "$(id -u)" = 0 ]; then
    user=${SERVER_USER:-$(id -un postgres 2>/dev/null || echo nobody)}
    as_user="runuser -u $user --"
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/fault_kill.XXXXXX") || exit 99
chmod 755 "$work"
mkdir "$work/bin" && cp "$PG_BIN/posthaste-faults" "$work/bin/posthaste" || exit 99
for name in postgres initdb pg_ctl; do ln -s posthaste "$work/bin/$name"; done
export PGHOST=$work PGPORT=$((20000 + $$ % 20000)) PGDATABASE=postgres PGUSER=postgres PGCONNECT_TIMEOUT=10
data=$work/data acks=$work/acks state=$work/state
finish() {
    $as_user "$work/bin/pg_ctl" -D "$data" -m immediate -s stop >/dev/null 2>&1
    [ "$1" = 0 ] || { [ ! -f "$work/log" ] || tail -n 25 "$work/log"; }
    [ "${KEEP_SERVER:-0}" = 1 ] && echo "kept: $work" || rm -rf "$work"
    exit "$1"
}
trap 'finish 130' INT TERM
fail() { echo "fault_kill.sh: $*"; finish 99; }
random() { # 0 .. $1 - 1; the same sequence for the same seed
    seed_state=$(((seed_state * 6364136223846793005 + 1442695040888963407) & 0x7fffffffffffffff))
    chosen=$(((seed_state >> 33) % $1))
}
seed_state=$seed

start() { $as_user env POSTHASTE_FAULT_STATE="$state" "$work/bin/pg_ctl" -D "$data" -l "$work/log" -w -s start 2>/dev/null; }
answers() { psql -XAtqc 'SELECT 1' >/dev/null 2>&1; }
wait_until_it_answers() {
    for _ in $(seq 1 400); do
        answers && return 0
        sleep 0.05
    done
    return 1
}

echo "seed $seed"
touch "$work/log" "$acks"
"$PG_BIN/faultctl" init "$state" || fail faultctl
chown "$user" "$work" "$work/log"
$as_user "$work/bin/initdb" -D "$data" -U postgres -A trust --locale=C -E UTF8 -N >"$work/initdb.log" 2>&1 || fail initdb
cat >>"$data/postgresql.conf" <<CONF
port = $PGPORT
unix_socket_directories = '$work'
listen_addresses = ''
shared_buffers = 1MB
min_wal_size = 32MB
max_wal_size = 48MB
csn_ring_size = 2048
CONF
start || fail start
"$PG_BIN/power_load" init || fail "load init"
# What is passed, by whom: a run without a kill, a crash and its redo.
"$PG_BIN/power_load" run -c "$clients" -T 2 -s "$seed" -t "$acks" || fail "load run"
$as_user "$work/bin/pg_ctl" -D "$data" -m immediate -s stop
start || fail "start after the first crash"
"$PG_BIN/power_load" verify -t "$acks" || fail "verify after the first crash"
$as_user "$work/bin/pg_ctl" -D "$data" -w -s stop || fail stop
start || fail start
mapfile -t points < <("$PG_BIN/faultctl" seen "$state" | awk '$1 == "point" {print $2, $3, $4}' | sort | grep -E "^${only:-.*} ")
echo "${#points[@]} points by kind of process"
[ ${#points[@]} -gt 0 ] || fail "no points: not a fault build?"

# One round. arguments: point kind passes action
round() {
    local rule nth fired
    random "$(($3 < 200 ? $3 / 2 + 1 : 100))"
    nth=$((chosen + 1))
    rule="point=$1,kind=$2,do=$4,nth=$nth"
    if [ "$2" = startup ]; then # redo is killed: crash, then start with the rule
        "$PG_BIN/faultctl" clear "$state"
        "$PG_BIN/power_load" run -k -c "$clients" -T 0.5 -s "$seed" -t "$acks" || return 1
        $as_user "$work/bin/pg_ctl" -D "$data" -m immediate -s stop >/dev/null 2>&1
        "$PG_BIN/faultctl" arm "$state" "$rule"
        start
    else
        "$PG_BIN/faultctl" arm "$state" "$rule"
        "$PG_BIN/power_load" run -k -c "$clients" -T 1.2 -s "$((seed + number))" -t "$acks" || return 1
        random 10
        if [ "$chosen" = 0 ]; then # and its redo
            random 400
            "$PG_BIN/faultctl" arm "$state" "$rule" "point=redo_record,kind=startup,do=crash,nth=$((chosen + 1))"
        fi
    fi
    fired=$("$PG_BIN/faultctl" fired "$state")
    if [ "$2" = postmaster ]; then # its children are still going
        sleep 0.2
    fi
    if [ "$fired" -gt 0 ]; then
        for _ in 1 2 3; do # the redo may be killed once more
            wait_ready && break
            start
        done
    fi
    "$PG_BIN/faultctl" clear "$state"
    answers || start
    wait_until_it_answers || { echo "does not come back"; return 1; }
    "$PG_BIN/power_load" verify -t "$acks" || return 1
    [ "$fired" -gt 0 ] && hits=$((hits + 1))
    return 0
}
# The server answers, or its postmaster is gone.
wait_ready() {
    for _ in $(seq 1 400); do
        answers && return 0
        $as_user "$work/bin/pg_ctl" -D "$data" status >/dev/null 2>&1 || return 1
        sleep 0.05
    done
    return 1
}

began=$SECONDS number=0 passed=0 failed=0 hits=0
list=()
if [ "$rounds" = 0 ]; then
    for p in "${points[@]}"; do list+=("$p crash" "$p crash_all"); done
else
    for _ in $(seq 1 "$rounds"); do
        random ${#points[@]}
        p=${points[$chosen]}
        random 3
        list+=("$p $([ "$chosen" = 0 ] && echo crash_all || echo crash)")
    done
fi
for item in "${list[@]}"; do
    [ "$limit" = 0 ] || [ $((SECONDS - began)) -lt "$limit" ] || break
    number=$((number + 1))
    if round $item; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "round $number FAILED: $item"
        tail -n 12 "$work/log"
        answers || start || fail "the server does not start any more"
    fi
    if grep -E 'PANIC|was terminated by signal (6|7|8|11)|invalid page' "$work/log"; then
        echo "round $number: the log shows damage: $item"
        failed=$((failed + 1))
        mv "$work/log" "$work/log.$number"; touch "$work/log"; chown "$user" "$work/log"
        $as_user "$work/bin/pg_ctl" -D "$data" -m immediate -s stop >/dev/null 2>&1
        start
    fi
done
echo "$passed passed, $failed failed; $hits of $number rounds met their point"
[ "$failed" = 0 ] && [ "$hits" -gt 0 ]
finish $?
