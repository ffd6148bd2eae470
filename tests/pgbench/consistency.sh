#!/bin/bash
# consistency.sh: pgbench in all its modes, with the sums of its tables compared after each run.
set -u

usage() {
    cat <<'USAGE'
usage: consistency.sh [-h HOST] [-p PORT] [-U USER] [-d DB] [-s SCALE] [-T SECONDS]
                      [-c "LIST"] [-M "LIST"] [-S "LIST"] [--no-init] [--keep]

Initialises with pgbench -i -s SCALE, then runs each script with each protocol and each number of
clients for SECONDS, and fails on any failed transaction, any error, or when
sum(abalance) = sum(tbalance) = sum(bbalance) = sum(history.delta) does not hold afterwards.
Then initialises once more with foreign keys and server-side generation (pgbench -i -I dtGvpf).
The last line is "N passed, N failed".

  -s SCALE    default 10            -T SECONDS  default 5 for each run
  -c "LIST"   numbers of clients    (default "1 32"; -j 2 from 2 clients on)
  -M "LIST"   protocols             (default "simple extended prepared")
  -S "LIST"   scripts: default, N (--skip-some-updates), S (--select-only) (default "default N S")
  --no-init   the tables are there already
  --keep      leave the tables afterwards

environment: PGHOST, PGPORT, PGUSER, PGDATABASE as for libpq;
  PG_BIN      directory with pgbench and psql (default: pg_config --bindir, else the PATH)
  RUN_TIMEOUT seconds beyond -T after which a run counts as hung (default 120)
USAGE
}

scale=10
seconds=5
client_counts="1 32"
protocols="simple extended prepared"
scripts="default N S"
do_init=1
keep=0
while [ $# -gt 0 ]; do
    case $1 in
    -h | -p | -U | -d | -s | -T | -c | -M | -S)
        [ $# -ge 2 ] || { usage >&2; exit 2; }
        case $1 in
        -h) export PGHOST=$2 ;;
        -p) export PGPORT=$2 ;;
        -U) export PGUSER=$2 ;;
        -d) export PGDATABASE=$2 ;;
        -s) scale=$2 ;;
        -T) seconds=$2 ;;
        -c) client_counts=$2 ;;
        -M) protocols=$2 ;;
        -S) scripts=$2 ;;
        esac
        shift
        ;;
    --no-init) do_init=0 ;;
    --keep) keep=1 ;;
    --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
    esac
    shift
done
export PGUSER=${PGUSER:-postgres} PGDATABASE=${PGDATABASE:-postgres} PGCONNECT_TIMEOUT=10
unset PGOPTIONS

find_program() {
    local dir
    for dir in "${PG_BIN:-}" "$(pg_config --bindir 2>/dev/null)" /usr/lib/postgresql/15/bin; do
        if [ -n "$dir" ] && [ -x "$dir/$1" ]; then
            echo "$dir/$1"
            return
        fi
    done
    command -v "$1" || { echo "consistency.sh: no $1; set PG_BIN" >&2; exit 2; }
}
pgbench=$(find_program pgbench) || exit 2
psql=$(find_program psql) || exit 2

work=$(mktemp -d "${TMPDIR:-/tmp}/pgbench_consistency.XXXXXX")
trap 'rm -rf "$work"' EXIT
run_timeout=${RUN_TIMEOUT:-120}
passed=0
failed=0

pass() { echo "ok   $*"; passed=$((passed + 1)); }
fail() { echo "FAIL $1${2:+: $2}"; failed=$((failed + 1)); }

sql() { timeout "$run_timeout" "$psql" -X -A -t -q -v ON_ERROR_STOP=1 -c "$1" 2>&1; }

# Sums that must agree. The script -N changes accounts and history only, so what it has added to
# history stands apart in skipped: the difference between history and tellers, which no other script
# may change. Sets wrong, empty when all is well, and skipped after -N.
skipped=0
wrong=
check_sums() {
    local row accounts tellers branches history
    row=$(sql 'SELECT (SELECT coalesce(sum(abalance), 0) FROM pgbench_accounts),
        (SELECT coalesce(sum(tbalance), 0) FROM pgbench_tellers),
        (SELECT coalesce(sum(bbalance), 0) FROM pgbench_branches),
        (SELECT coalesce(sum(delta), 0) FROM pgbench_history)') || { wrong="cannot read the sums: $row"; return; }
    IFS='|' read -r accounts tellers branches history <<<"$row"
    [ "$1" = N ] && skipped=$((history - tellers))
    wrong=
    if [ "$accounts" != "$history" ] || [ "$tellers" != "$branches" ] || [ $((history - tellers)) -ne "$skipped" ]; then
        wrong="accounts $accounts, tellers $tellers, branches $branches, history $history (by -N $skipped)"
    fi
}

check_rows() {
    local row want
    row=$(sql 'SELECT (SELECT count(*) FROM pgbench_branches), (SELECT count(*) FROM pgbench_tellers), (SELECT count(*) FROM pgbench_accounts)')
    want="$scale|$((scale * 10))|$((scale * 100000))"
    if [ "$row" = "$want" ]; then
        pass "$1"
    else
        fail "$1" "rows $row, want $want"
    fi
}

initialise() {
    local name=$1
    shift
    if timeout $((run_timeout + scale * 20)) "$pgbench" "$@" -s "$scale" >"$work/init.out" 2>&1; then
        check_rows "$name"
    else
        fail "$name" "$(grep -iE 'error|fatal|panic' "$work/init.out" | head -n 1)"
        return 1
    fi
}

if [ $do_init -eq 1 ]; then
    initialise "pgbench -i -s $scale" -i || { echo "$passed passed, $failed failed"; exit 1; }
else
    check_sums N
    if [ -n "$wrong" ]; then
        fail 'the tables as found' "$wrong"
    fi
fi

for script in $scripts; do
    for protocol in $protocols; do
        for clients in $client_counts; do
            name="$script $protocol -c $clients"
            args=(-n -M "$protocol" -c "$clients" -T "$seconds")
            [ "$clients" -gt 1 ] && args+=(-j 2)
            case $script in
            N | S) args+=("-$script") ;;
            default) ;;
            *) usage >&2; exit 2 ;;
            esac
            timeout -k 5 $((seconds + run_timeout)) "$pgbench" "${args[@]}" >"$work/run.out" 2>"$work/run.err"
            status=$?
            tps=$(awk '/^tps = / { print $3 }' "$work/run.out")
            done_count=$(awk -F': ' '/number of transactions actually processed/ { print $2 + 0 }' "$work/run.out")
            failed_count=$(awk -F': ' '/number of failed transactions/ { print $2 + 0 }' "$work/run.out")
            wrong=
            if [ $status -eq 124 ] || [ $status -eq 137 ]; then
                wrong='it hung'
            elif [ $status -ne 0 ]; then
                wrong="exit status $status: $(grep -iE 'error|fatal|panic|abort' "$work/run.err" | head -n 1)"
            elif [ "${failed_count:-0}" -ne 0 ]; then
                wrong="$failed_count failed transactions"
            elif [ "${done_count:-0}" -eq 0 ]; then
                wrong='no transaction was processed'
            elif grep -qiE 'error|aborted' "$work/run.err"; then
                wrong=$(grep -iE 'error|aborted' "$work/run.err" | head -n 1)
            fi
            if [ -z "$wrong" ]; then
                check_sums "$script"
            fi
            if [ -z "$wrong" ]; then
                pass "$name (tps $tps)"
            else
                fail "$name" "$wrong"
            fi
        done
    done
done

initialise 'pgbench -i -I dtGvpf' -i -I dtGvpf
foreign_keys=$(sql "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text LIKE 'pgbench%'")
if [ "$foreign_keys" = 5 ]; then pass 'its foreign keys'; else fail 'its foreign keys' "$foreign_keys, want 5"; fi
if timeout $((seconds + run_timeout)) "$pgbench" -n -c 4 -T "$seconds" >"$work/run.out" 2>&1; then
    skipped=0
    check_sums default
    if [ -z "$wrong" ]; then pass 'default with foreign keys'; else fail 'default with foreign keys' "$wrong"; fi
else
    fail 'default with foreign keys' "$(grep -iE 'error|fatal|panic' "$work/run.out" | head -n 1)"
fi
if [ $keep -eq 0 ]; then
    initialise_out=$(timeout "$run_timeout" "$pgbench" -i -I d 2>&1) || fail 'pgbench -i -I d' "$initialise_out"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
