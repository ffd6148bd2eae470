#!/bin/bash
# crash_torture.sh: kill the server with SIGKILL at random moments, let it recover, and check that
# every acknowledged transaction is there and none is there by halves.
set -u

usage() {
    cat <<'USAGE'
usage: crash_torture.sh [options]

  --rounds N        rounds (default 10)
  --kill-redo N     in N of the rounds (chosen by the seed) kill the server again, several times,
                    5 to 300 ms into its start, before the final start (default 0)
  --seed N          seed of every random choice (default: the time; it is printed)
  --clients N, -c N clients (default 16)
  --scale N, -s N   pgbench scale (default 1)
  --run-ms MIN:MAX  how long a round runs before the kill (default 2000:8000)
  --protocol P      simple, prepared or mixed (default mixed)
  --init            initialise PGDATA first with PG_BIN/initdb (PGDATA must be empty or missing)
  --continue        PGDATA holds a former run's tables and log: go on with them
  --stop-on-fail    end at the first failed round, leaving server and data as they are
  --help            this text

The last line is "N passed, N failed"; the exit status is 0 if none failed.

environment:
  PG_BIN        directory with pg_ctl, postgres (and initdb)  (default pg_config --bindir)
  PGDATA        data directory                                 (default a fresh one, initialised; removed if all passes)
  PGPORT        port                                           (default 54391)
  PGHOST        host or socket directory                       (default /tmp)
  PGUSER        database superuser                             (default postgres)
  PGDATABASE    database                                       (default postgres)
  SERVER_USER   OS user for the server when run as root        (default postgres if there is one, else nobody)
  TORTURE_CONF  lines to append to postgresql.conf with --init (optional)
  ACKED_LOG     log of acknowledged transactions               (default PGDATA.acked)
  ACKED_CLIENT  a built acked_client                           (default: built into a temporary directory)
  START_TIMEOUT seconds pg_ctl may wait for recovery           (default 120)
USAGE
}

here=$(cd "$(dirname "$0")" && pwd)
rounds=10
kill_redo=0
seed=$(date +%s)
clients=16
scale=1
run_min_ms=2000
run_max_ms=8000
protocol=mixed
do_init=0
do_continue=0
stop_on_fail=0

need() { [ "$1" -ge 2 ] || { usage >&2; exit 2; }; }
while [ $# -gt 0 ]; do
    case $1 in
    --rounds) need $#; rounds=$2; shift ;;
    --kill-redo) need $#; kill_redo=$2; shift ;;
    --seed) need $#; seed=$2; shift ;;
    --clients | -c) need $#; clients=$2; shift ;;
    --scale | -s) need $#; scale=$2; shift ;;
    --run-ms) need $#; run_min_ms=${2%%:*}; run_max_ms=${2##*:}; shift ;;
    --protocol) need $#; protocol=$2; shift ;;
    --init) do_init=1 ;;
    --continue) do_continue=1 ;;
    --stop-on-fail) stop_on_fail=1 ;;
    --help | -h) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
[ "$run_max_ms" -ge "$run_min_ms" ] || { usage >&2; exit 2; }

: "${PG_BIN:=$(pg_config --bindir 2>/dev/null || echo /usr/lib/postgresql/15/bin)}"
: "${PGPORT:=54391}" "${PGHOST:=/tmp}" "${PGUSER:=postgres}" "${PGDATABASE:=postgres}"
: "${START_TIMEOUT:=120}"
export PGPORT PGHOST PGUSER PGDATABASE PGCONNECT_TIMEOUT=10
if [ ! -x "$PG_BIN/pg_ctl" ]; then
    echo "crash_torture.sh: no pg_ctl in PG_BIN=$PG_BIN" >&2
    exit 2
fi
if [ -z "${SERVER_USER:-}" ]; then
    if id postgres >/dev/null 2>&1; then SERVER_USER=postgres; else SERVER_USER=nobody; fi
fi

own_data=0
if [ -z "${PGDATA:-}" ]; then
    PGDATA=$(mktemp -d "${TMPDIR:-/tmp}/torture.XXXXXX")/data
    own_data=1
    do_init=1
fi
export PGDATA
log=$PGDATA.acked
log=${ACKED_LOG:-$log}
server_log=$PGDATA.log

# Random numbers in this shell only (never in $(...)): a subshell would not advance the sequence.
RANDOM=$seed
random_ms=0
pick_ms() {
    random_ms=$(($1 + (RANDOM * 32768 + RANDOM) % ($2 - $1 + 1)))
}

as_server() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && runuser -u "$SERVER_USER" -- env PGDATA="$PGDATA" "$@")
    else
        (cd / && "$@")
    fi
}

sleep_ms() { sleep "$(($1 / 1000)).$(printf '%03d' $(($1 % 1000)))"; }
now_ms() { date +%s%3N; }

# ---- killing ------------------------------------------------------------------------------------

# The programs whose processes in PGDATA are the server's, as /proc/PID/exe shows them.
server_exe=$(readlink -f "$PG_BIN/postgres")
data_real=

# PIDs of the server: every process of its program that works in PGDATA or was started on it, and
# all descendants of those.
server_pids() {
    local dir pid exe cwd stat
    local -A parent=() server=()
    for dir in /proc/[0-9]*; do
        pid=${dir#/proc/}
        { read -r stat <"$dir/stat"; } 2>/dev/null || continue
        case ${stat##*) } in Z*) continue ;; esac # a zombie is dead already
        stat=${stat##*) }
        stat=${stat#* }
        parent[$pid]=${stat%% *}
        exe=$(readlink "$dir/exe" 2>/dev/null) || continue
        [ "${exe% (deleted)}" = "$server_exe" ] || continue
        cwd=$(readlink "$dir/cwd" 2>/dev/null)
        if [ "$cwd" = "$data_real" ] ||
            tr '\0' '\n' <"$dir/cmdline" 2>/dev/null | grep -qxF -e "$PGDATA" -e "$data_real" -e "-D$PGDATA"; then
            server[$pid]=1
        fi
    done
    local grown=1
    while [ $grown -eq 1 ]; do
        grown=0
        for pid in "${!parent[@]}"; do
            if [ -z "${server[$pid]:-}" ] && [ -n "${server[${parent[$pid]}]:-}" ]; then
                server[$pid]=1
                grown=1
            fi
        done
    done
    echo "${!server[*]}"
}

# SIGKILL all of the server at once. The postmaster is stopped first, so that it cannot fork while
# the list is made, nor see its children die and begin a recovery of its own.
killed_count=0
kill_server() {
    local postmaster pids i all=()
    killed_count=0
    postmaster=$(head -n 1 "$PGDATA/postmaster.pid" 2>/dev/null)
    case $postmaster in
    '' | *[!0-9]*) ;;
    *) [ "$(readlink "/proc/$postmaster/exe" 2>/dev/null)" = "$server_exe" ] && kill -STOP "$postmaster" 2>/dev/null ;;
    esac
    for ((i = 0; i < 100; i++)); do
        pids=$(server_pids)
        if [ -z "$pids" ]; then
            wait_reaped ${all[@]+"${all[@]}"}
            return 0
        fi
        # shellcheck disable=SC2086  # a list of pids
        set -- $pids
        all+=("$@")
        [ $i -eq 0 ] && killed_count=$#
        kill -KILL "$@" 2>/dev/null
        sleep 0.05
    done
    echo "crash_torture.sh: processes that do not die: $pids" >&2
    return 1
}

# A dead process that init has not reaped yet still answers kill(pid, 0), and so makes its
# postmaster.pid look alive to the next start. Wait for that, so that only the server is judged.
wait_reaped() {
    local i pid left
    for ((i = 0; i < 200; i++)); do
        left=0
        for pid in "$@"; do
            [ -d "/proc/$pid" ] && left=1
        done
        [ $left -eq 0 ] && return 0
        sleep 0.05
    done
    echo "crash_torture.sh: init does not reap: removing postmaster.pid by hand" >&2
    rm -f "$PGDATA/postmaster.pid"
}

# ---- starting -----------------------------------------------------------------------------------

start_ms=0
start_server() {
    local begin
    begin=$(now_ms)
    as_server "$PG_BIN/pg_ctl" -D "$PGDATA" -l "$server_log" -w -t "$START_TIMEOUT" -s start >/dev/null 2>&1 || return 1
    start_ms=$(($(now_ms) - begin))
}

start_without_waiting() {
    as_server "$PG_BIN/pg_ctl" -D "$PGDATA" -l "$server_log" -W -s start >/dev/null 2>&1
}

# What a sound server never writes to its log, even after a kill.
log_size=0
log_complaints() {
    tail -c +$((log_size + 1)) "$server_log" 2>/dev/null |
        grep -E 'PANIC:|TRAP:|AddressSanitizer|runtime error:|invalid page in block|page verification failed|could not read block|terminated by signal (4|6|7|8|11)' |
        head -n 5
}

# ---- set-up -------------------------------------------------------------------------------------

work=$(mktemp -d "${TMPDIR:-/tmp}/torture_work.XXXXXX")
run_pid=
cleanup() {
    [ -n "$run_pid" ] && kill "$run_pid" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
trap 'kill_server; exit 130' INT TERM

client=${ACKED_CLIENT:-$work/acked_client}
if [ -z "${ACKED_CLIENT:-}" ]; then
    "${CC:-cc}" -std=c11 -O2 -Wall -Wextra -Werror -I"$(pg_config --includedir)" \
        -L"$(pg_config --libdir)" "$here/acked_client.c" -o "$client" -lpq || exit 2
fi

if [ $do_init -eq 1 ]; then
    mkdir -p "$PGDATA" || exit 2
    if [ -n "$(ls -A "$PGDATA")" ]; then
        echo "crash_torture.sh: --init, but $PGDATA is not empty" >&2
        exit 2
    fi
    if [ "$(id -u)" -eq 0 ]; then
        chown "$SERVER_USER" "$PGDATA" "$(dirname "$PGDATA")" || exit 2
    fi
    chmod 700 "$PGDATA"
    as_server "$PG_BIN/initdb" -D "$PGDATA" -U "$PGUSER" -A trust -E UTF8 --locale=C >"$work/initdb.log" 2>&1 ||
        { cat "$work/initdb.log" >&2; exit 2; }
    {
        echo "port = $PGPORT"
        case $PGHOST in
        /*) echo "unix_socket_directories = '$PGHOST'" ;;
        *) echo "listen_addresses = '$PGHOST'" ;;
        esac
        echo "max_connections = $((clients + 20))"
        echo "${TORTURE_CONF:-}"
    } >>"$PGDATA/postgresql.conf"
fi
data_real=$(readlink -f "$PGDATA")
: >>"$server_log"
if [ "$(id -u)" -eq 0 ]; then
    chown "$SERVER_USER" "$server_log"
fi

echo "crash torture: $rounds rounds, seed $seed, $clients clients, scale $scale, $PG_BIN, data $PGDATA"
kill_server # one left over from an aborted run
if ! start_server; then
    tail -n 20 "$server_log" >&2
    echo "crash_torture.sh: the server does not start" >&2
    exit 2
fi
if [ $do_continue -eq 0 ]; then
    rm -f "$log"
    "$client" init -s "$scale" || exit 2
fi

# Choose the rounds with kills during redo.
declare -A redo_round=()
chosen=0
while [ $chosen -lt "$kill_redo" ] && [ $chosen -lt "$rounds" ]; do
    pick_ms 1 "$rounds"
    if [ -z "${redo_round[$random_ms]:-}" ]; then
        redo_round[$random_ms]=1
        chosen=$((chosen + 1))
    fi
done

# ---- rounds -------------------------------------------------------------------------------------

passed=0
failed=0
for ((round = 1; round <= rounds; round++)); do
    reason=
    log_size=$(stat -c %s "$server_log")
    pick_ms "$run_min_ms" "$run_max_ms"
    run_ms=$random_ms
    round_seed=$((RANDOM * 32768 + RANDOM))
    "$client" run -c "$clients" -s "$scale" -S "$round_seed" -M "$protocol" -l "$log" \
        -T $((run_ms / 1000 + 30)) >"$work/run.out" 2>&1 &
    run_pid=$!
    sleep_ms "$run_ms"
    kill_server || reason='server could not be killed'
    killed=$killed_count
    [ "$killed" -gt 0 ] || reason='the server was not there to be killed'
    wait "$run_pid"
    client_status=$?
    run_pid=
    [ $client_status -eq 0 ] || reason="client: $(grep -v '^acked ' "$work/run.out" | head -n 2)"
    acked=$(awk '$1 == "acked" { print $2 }' "$work/run.out")
    case $acked in
    '' | 0) reason=${reason:-'no transaction was acknowledged'} ;;
    esac

    redo_note=
    if [ -n "${redo_round[$round]:-}" ]; then
        pick_ms 2 5
        again=$random_ms
        delays=
        for ((k = 0; k < again; k++)); do
            start_without_waiting
            pick_ms 5 300
            sleep_ms "$random_ms"
            kill_server || reason='server could not be killed during redo'
            delays="$delays${delays:+,}$random_ms"
        done
        redo_note=" redo killed after $delays ms"
    fi

    if ! start_server; then
        reason="the server does not start: $(tail -n 1 "$server_log")"
        redo=-
    else
        redo=$start_ms
        if ! timeout "$START_TIMEOUT" "$client" verify --adopt -l "$log" >"$work/verify.out" 2>&1; then
            reason=${reason:-"$(head -n 3 "$work/verify.out" | tr '\n' ';')"}
        fi
    fi
    complaints=$(log_complaints)
    if [ -n "$complaints" ]; then
        reason=${reason:-"server log: $complaints"}
    fi
    line="round $round: ran $run_ms ms, acked ${acked:-0}, killed $killed processes,$redo_note redo+start $redo ms"
    if [ -z "$reason" ]; then
        echo "$line: ok"
        passed=$((passed + 1))
    else
        echo "$line: FAIL: $reason"
        failed=$((failed + 1))
        if [ $stop_on_fail -eq 1 ]; then
            echo "left as they are: data $PGDATA, log $log, server log $server_log"
            echo "$passed passed, $failed failed"
            exit 1
        fi
        if [ "$redo" = - ]; then
            kill_server
            start_server || { echo "the server does not start any more: giving up"; break; }
        fi
        # Later rounds judge only what they do themselves: begin afresh.
        rm -f "$log"
        "$client" init -s "$scale" >/dev/null 2>&1
    fi
done

as_server "$PG_BIN/pg_ctl" -D "$PGDATA" -m fast -w -s stop >/dev/null 2>&1 || kill_server
if [ $own_data -eq 1 ]; then
    if [ $failed -eq 0 ]; then
        rm -rf "$(dirname "$PGDATA")"
    else
        echo "kept: $PGDATA, $log, $server_log"
    fi
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
