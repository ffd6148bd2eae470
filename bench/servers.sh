# Sourced by the side-by-side benchmarks: this server and PostgreSQL 15, initialised alike in a temporary directory,
# and their CPU from /proc. As root the servers run as SERVER_USER (default postgres).
#
# servers_start BIN_DIR   sets work, and for s in a (this server) and b (PostgreSQL): bin[s], port[s], name[s]
# servers_psql S ARGS     psql -X -q -At on that server;   servers_pgbench S ARGS   pgbench -n
# servers_ticks S         clock ticks of all its processes so far, ended ones included
# median                  of the numbers on standard input, one a line
# SERVER_CONF             more lines for both postgresql.conf
set -u
declare -A bin port name

servers_start() {
    local ours n s run_as=
    ours=$(cd "$1" && pwd) || exit 2
    work=$(mktemp -d "${TMPDIR:-/tmp}/side_by_side.XXXXXX") || exit 2
    chmod 755 "$work"
    as_server=
    if [ "$(id -u)" = 0 ]; then
        run_as=${SERVER_USER:-postgres}
        as_server="runuser -u $run_as --"
    fi
    # The build may lie where that user cannot go: run a copy.
    mkdir "$work/bin"
    cp -L "$ours/posthaste" "$work/bin/" || exit 2
    for n in postgres initdb pg_ctl; do ln -s posthaste "$work/bin/$n"; done
    [ -z "$run_as" ] || chown -R "$run_as" "$work"
    bin=([a]=$work/bin [b]=${PG15_BIN:-/usr/lib/postgresql/15/bin})
    port=([a]=$((21000 + $$ % 9000)) [b]=$((31000 + $$ % 9000)))
    name=([a]=posthaste [b]=postgresql)
    trap servers_stop EXIT
    cd /tmp || exit 2
    for s in a b; do
        $as_server "${bin[$s]}/initdb" -D "$work/$s" -U postgres -A trust --locale=C -E UTF8 -N >/dev/null || exit 2
        $as_server sh -c "cat >>'$work/$s/postgresql.conf'" <<CONF
port = ${port[$s]}
unix_socket_directories = '$work'
shared_buffers = 256MB
max_wal_size = 4GB
checkpoint_timeout = 30min
${SERVER_CONF:-}
CONF
        $as_server "${bin[$s]}/pg_ctl" -D "$work/$s" -l "$work/$s.log" -w -s start || { cat "$work/$s.log" >&2; exit 2; }
    done
}

servers_stop() {
    local s
    for s in a b; do $as_server "${bin[$s]}/pg_ctl" -D "$work/$s" -m immediate -s stop >/dev/null 2>&1; done
    rm -rf "$work"
}

servers_psql() { "${bin[b]}/psql" -X -q -At -v ON_ERROR_STOP=1 -h "$work" -p "${port[$1]}" -U postgres -d postgres "${@:2}"; }
servers_pgbench() { "${bin[b]}/pgbench" -h "$work" -p "${port[$1]}" -U postgres -n "${@:2}" postgres; }

servers_ticks() {
    local pid p
    pid=$(head -1 "$work/$1/postmaster.pid")
    for p in $pid $(pgrep -P "$pid"); do
        sed 's/.*) //' "/proc/$p/stat" 2>/dev/null
    done | awk '{t += $12 + $13 + (NR == 1 ? $14 + $15 : 0)} END {print t}'
}

median() { sort -g | awk '{v[NR] = $1} END {if (NR) print v[int((NR + 1) / 2)]}'; }
