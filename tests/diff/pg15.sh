#!/bin/bash
# pg15.sh: a private PostgreSQL 15 that serves as the oracle of the differential tests.
#
# It lives in a directory of its own, listens on a port of its own and never touches the
# distribution's default cluster. Started by root, the server runs as an unprivileged user,
# because PostgreSQL refuses to run as root.
set -u

usage() {
    cat <<'USAGE'
usage: pg15.sh start|stop|status|destroy|env|record [file...]

  start    initialise (once) and start the oracle; does nothing if it runs already
  stop     stop it (the data directory stays)
  status   say whether it answers
  destroy  stop it and remove its data directory
  env      print PGHOST=... PGPORT=... PGUSER=... for eval
  record   start it if needed and record tests/sql/expected/*.out (or those of the files named)

environment:
  PG15_DIR     directory of the oracle           (default ${TMPDIR:-/tmp}/diffpg)
  PG15_PORT    its port                          (default 54329)
  PG15_SOCKDIR directory of its Unix socket      (default /tmp)
  PG15_BIN     directory of PostgreSQL 15's programs (default: pg_config --bindir)
  SERVER_USER  OS user for the server when run as root (default postgres if there is one, else nobody)
USAGE
}

here=$(cd "$(dirname "$0")" && pwd)
dir=${PG15_DIR:-${TMPDIR:-/tmp}/diffpg}
port=${PG15_PORT:-54329}
sockdir=${PG15_SOCKDIR:-/tmp}
superuser=postgres

find_bin() {
    local candidate
    for candidate in "${PG15_BIN:-}" "$(pg_config --bindir 2>/dev/null)" \
        /usr/lib/postgresql/15/bin /usr/pgsql-15/bin /usr/local/pgsql/bin; do
        if [ -n "$candidate" ] && [ -x "$candidate/initdb" ]; then
            echo "$candidate"
            return
        fi
    done
    echo "pg15.sh: no PostgreSQL programs found; set PG15_BIN" >&2
    exit 2
}

server_user() {
    if [ -n "${SERVER_USER:-}" ]; then
        echo "$SERVER_USER"
    elif id postgres >/dev/null 2>&1; then
        echo postgres
    else
        echo nobody
    fi
}

as_server() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && runuser -u "$(server_user)" -- "$@")
    else
        (cd / && "$@")
    fi
}

answers() {
    psql -X -h "$sockdir" -p "$port" -U "$superuser" -d postgres -Atqc 'select 1' >/dev/null 2>&1
}

start() {
    if answers; then
        echo "oracle already runs on port $port"
        return 0
    fi
    mkdir -p "$dir"
    if [ "$(id -u)" -eq 0 ]; then
        chown "$(server_user)" "$dir"
    fi
    if [ ! -s "$dir/data/PG_VERSION" ]; then
        as_server "$bin/initdb" -D "$dir/data" -U "$superuser" -A trust -E UTF8 --locale=C \
            >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; return 1; }
        # Nothing in the corpus may depend on the machine, so all that does is fixed here.
        as_server tee -a "$dir/data/postgresql.conf" >/dev/null <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$sockdir'
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'iso, mdy'
lc_messages = 'C'
fsync = off
full_page_writes = off
max_connections = 50
shared_buffers = 32MB
autovacuum = off
CONF
    fi
    as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 -s start ||
        { tail -n 20 "$dir/server.log" >&2; return 1; }
    echo "oracle started: -h $sockdir -p $port -U $superuser"
}

stop() {
    if [ -s "$dir/data/postmaster.pid" ]; then
        as_server "$bin/pg_ctl" -D "$dir/data" -m fast -w -s stop
    fi
}

case ${1:-} in
start) bin=$(find_bin) || exit 2; start ;;
stop) bin=$(find_bin) || exit 2; stop ;;
status)
    if answers; then echo "oracle answers on port $port"; else echo "oracle is down"; exit 1; fi
    ;;
destroy)
    bin=$(find_bin) || exit 2
    stop
    rm -rf "$dir/data" "$dir/server.log" "$dir/initdb.log"
    ;;
env) echo "PGHOST=$sockdir PGPORT=$port PGUSER=$superuser" ;;
record)
    shift
    bin=$(find_bin) || exit 2
    start >/dev/null || exit 1
    exec "$here/run.sh" --record -h "$sockdir" -p "$port" -U "$superuser" "$@"
    ;;
-h | --help | help) usage ;;
*) usage >&2; exit 2 ;;
esac
