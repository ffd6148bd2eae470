#!/bin/bash
# Server CPU per pgbench transaction of this server beside PostgreSQL 15's, on the same machine in the same run: both
# are initialised alike, run in turns, and all processes of an instance count (from /proc, ended ones included).
# The last column is the ceiling: what pgbench reaches against bench/null_server, which does nothing.
# usage: bench/cpu_per_transaction.sh BIN_DIR [seconds [rounds]]     (as root the servers run as SERVER_USER)
set -u
ours=$(cd "$1" && pwd) seconds=${2:-10} rounds=${3:-3}
theirs=${PG15_BIN:-$(pg_config --bindir 2>/dev/null || echo /usr/lib/postgresql/15/bin)}
work=$(mktemp -d /tmp/cpu_per_txn.XXXXXX)
chmod 755 "$work"
run=
if [ "$(id -u)" = 0 ]; then
    user=${SERVER_USER:-postgres}
    run="runuser -u $user --"
fi
mkdir "$work/bin"
cp -L "$ours/posthaste" "$work/bin/"
for n in postgres initdb pg_ctl; do ln -s posthaste "$work/bin/$n"; done
[ -z "$run" ] || chown -R "$user" "$work"
null_pid=
trap 'kill $null_pid 2>/dev/null; for b in a b; do $run "${bin[$b]}/pg_ctl" -D "$work/$b" -m immediate stop >/dev/null 2>&1; done; rm -rf "$work"' EXIT

declare -A bin=([a]=$work/bin [b]=$theirs) port=([a]=$((21000 + $$ % 9000)) [b]=$((31000 + $$ % 9000)) [n]=$((41000 + $$ % 9000))) name=([a]=posthaste [b]=postgresql)
cd /tmp || exit 1
for s in a b; do
    $run "${bin[$s]}/initdb" -D "$work/$s" -U postgres -A trust --locale=C -E UTF8 -N >/dev/null || exit 1
    $run sh -c "echo \"port=${port[$s]}
unix_socket_directories='$work'
shared_buffers=256MB
max_wal_size=4GB\" >>'$work/$s/postgresql.conf'"
    $run "${bin[$s]}/pg_ctl" -D "$work/$s" -l "$work/$s.log" -w -s start || exit 1
    pgbench -h "$work" -p "${port[$s]}" -U postgres -i -s 10 -q postgres >/dev/null 2>&1 || exit 1
done

"$ours/../bench/null_server" "$work" "${port[n]}" &
null_pid=$!

# Clock ticks of the postmaster, its living children, and its ended ones.
ticks() {
    local pid
    pid=$(head -1 "$work/$1/postmaster.pid")
    for p in $pid $(pgrep -P "$pid"); do
        sed 's/.*) //' "/proc/$p/stat" 2>/dev/null
    done | awk '{t += $12 + $13 + (NR == 1 ? $14 + $15 : 0)} END {print t}'
}

one() { # server, pgbench options: tps and microseconds of CPU per transaction
    local before after out n
    before=$(ticks "$1")
    out=$(pgbench -h "$work" -p "${port[$1]}" -U postgres -n -T "$seconds" "${@:2}" postgres 2>/dev/null)
    sleep 0.5
    after=$(ticks "$1")
    n=$(echo "$out" | sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p')
    echo "$out" | sed -n 's/^tps = \([0-9.]*\).*/\1/p' | tr '\n' ' '
    awk -v t=$((after - before)) -v n="$n" -v hz="$(getconf CLK_TCK)" 'BEGIN {printf "%.1f\n", t / hz * 1e6 / n}'
}

tps() { # server, pgbench options
    pgbench -h "$work" -p "${port[$1]}" -U postgres -n -T "$seconds" "${@:2}" postgres 2>/dev/null | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
printf '%-28s %12s %12s %16s %16s %8s %12s\n' load "ours tps" "pg tps" "ours us/txn" "pg us/txn" ratio "null tps"
while read -r label opts; do
    : >"$work/a.out"; : >"$work/b.out"; : >"$work/n.out"
    for _ in $(seq "$rounds"); do
        for s in a b; do
            # shellcheck disable=SC2086
            one $s $opts >>"$work/$s.out"
        done
        # shellcheck disable=SC2086
        tps n $opts >>"$work/n.out"
    done
    at=$(awk '{print $1}' "$work/a.out" | median) bt=$(awk '{print $1}' "$work/b.out" | median)
    ac=$(awk '{print $2}' "$work/a.out" | median) bc=$(awk '{print $2}' "$work/b.out" | median)
    printf '%-28s %12.0f %12.0f %16.1f %16.1f %8.2f %12.0f\n' "$label" "$at" "$bt" "$ac" "$bc" \
        "$(awk -v a="$ac" -v b="$bc" 'BEGIN {print a / b}')" "$(median <"$work/n.out")"
done <<'LOADS'
select-only_prepared_c8 -S -M prepared -c 8 -j 2
select-only_extended_c8 -S -M extended -c 8 -j 2
select-only_simple_c8 -S -M simple -c 8 -j 2
default_simple_c8 -c 8 -j 2
LOADS
