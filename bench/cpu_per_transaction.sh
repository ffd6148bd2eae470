#!/bin/bash
# Server CPU per pgbench transaction of this server beside PostgreSQL 15's, on the same machine in the same run: both
# are initialised alike, run in turns, and all processes of an instance count (from /proc, ended ones included).
# The last column is the ceiling: what pgbench reaches against bench/null_server, which does nothing.
# usage: bench/cpu_per_transaction.sh BIN_DIR [seconds [rounds]]     (as root the servers run as SERVER_USER)
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/servers.sh"
null_server=$(cd "$1/../bench" && pwd)/null_server
seconds=${2:-10} rounds=${3:-3}
servers_start "$1"
for s in a b; do
    servers_pgbench $s -i -s 10 -q >/dev/null 2>&1 || exit 1
done
port[n]=$((41000 + $$ % 9000))
"$null_server" "$work" "${port[n]}" &
null_pid=$!
trap 'kill $null_pid; servers_stop' EXIT

one() { # server, pgbench options: tps and microseconds of CPU per transaction
    local before after out n
    before=$(servers_ticks "$1")
    out=$(servers_pgbench "$1" -T "$seconds" "${@:2}" 2>/dev/null)
    sleep 0.5
    after=$(servers_ticks "$1")
    n=$(echo "$out" | sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p')
    echo "$out" | sed -n 's/^tps = \([0-9.]*\).*/\1/p' | tr '\n' ' '
    awk -v t=$((after - before)) -v n="$n" -v hz="$(getconf CLK_TCK)" 'BEGIN {printf "%.1f\n", t / hz * 1e6 / n}'
}

ceiling() { servers_pgbench n -T "$seconds" "$@" 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'; }
column() { awk -v c="$2" '{print $c}' "$work/$1.out" | median; }

printf '%-28s %12s %12s %16s %16s %8s %12s\n' load "ours tps" "pg tps" "ours us/txn" "pg us/txn" ratio "null tps"
while read -r label opts; do
    : >"$work/a.out"; : >"$work/b.out"; : >"$work/n.out"
    for _ in $(seq "$rounds"); do
        # shellcheck disable=SC2086
        for s in a b; do one $s $opts >>"$work/$s.out"; done
        # shellcheck disable=SC2086
        ceiling $opts >>"$work/n.out"
    done
    ac=$(column a 2) bc=$(column b 2)
    printf '%-28s %12.0f %12.0f %16.1f %16.1f %8.2f %12.0f\n' "$label" "$(column a 1)" "$(column b 1)" "$ac" "$bc" \
        "$(awk -v a="$ac" -v b="$bc" 'BEGIN {print a / b}')" "$(column n 1)"
done <<'LOADS'
select-only_prepared_c8 -S -M prepared -c 8 -j 2
select-only_extended_c8 -S -M extended -c 8 -j 2
select-only_simple_c8 -S -M simple -c 8 -j 2
default_simple_c8 -c 8 -j 2
LOADS
