#!/bin/sh
# From a bare Debian 12 to a running server with a database in it: packages, Release build in build/,
# a cluster in data/, a tour through psql; the server stays up. Running it again works.
# usage: sh procs/quickstart.sh        (PGPORT=5433 sh procs/quickstart.sh for another port)
set -eu
cd "$(dirname "$0")/.."
root=$PWD
bin=$root/build/bin
data=$root/data
log=$data/server.log
port=${PGPORT:-5432}
server_user=posthaste

say() { printf '\n== %s\n' "$*"; }
fail() {
    printf '\nquickstart: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '            %s\n' "$line" >&2; done
    exit 1
}
case $port in
'' | *[!0-9]*) fail "PGPORT is '$port', which is no port number" ;;
esac
is_root() { [ "$(id -u)" = 0 ]; }

# ---- packages ------------------------------------------------------------------------------------
packages="gcc cmake ninja-build pkg-config libc6-dev libjemalloc-dev libxxhash-dev libpg-query-dev libprotobuf-c-dev
protobuf-c-compiler libssl-dev liblz4-dev libzstd-dev liburing-dev libicu-dev libpcre2-dev libcunit1-dev libbenchmark-dev
g++ ccache tzdata postgresql-client-15"
if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    missing=
    for p in $packages; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $p"
    done
    if [ -n "$missing" ]; then
        is_root || fail "these packages are missing:$missing" "Install them as root: apt-get install$missing"
        say "installing:$missing"
        DEBIAN_FRONTEND=noninteractive
        export DEBIAN_FRONTEND
        apt-get update -qq || true
        apt-get install -y -qq --no-install-recommends $missing || fail "could not install:$missing"
    fi
else
    missing=
    for c in cc cmake pkg-config psql createdb; do command -v $c >/dev/null || missing="$missing $c"; done
    [ -z "$missing" ] || fail "these commands are missing:$missing" "On Debian 12 the packages are:" $packages
fi

# ---- who runs it ---------------------------------------------------------------------------------
# A server never runs as root: root drops to an ordinary user, made if need be.
if is_root; then
    if ! id "$server_user" >/dev/null 2>&1; then
        say "creating user $server_user"
        useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin "$server_user" || fail "could not create user $server_user"
    fi
    # Debian's clients look for the socket here; its group may write there.
    if [ ! -d /var/run/postgresql ]; then
        install -d -m 2775 -o "$server_user" /var/run/postgresql
    elif [ "$(stat -c %G /var/run/postgresql)" = postgres ]; then
        usermod -aG postgres "$server_user" 2>/dev/null || true
    fi
    as_user() { runuser -u "$server_user" -- "$@"; }
    as_user test -x "$root" ||
        fail "user $server_user, who is to run the server, cannot reach $root" \
            "Move the project to a directory that others can enter (not /root), or run this as an ordinary user."
else
    server_user=$(id -un)
    as_user() { "$@"; }
    for d in "$root" "$root/build"; do
        [ ! -e "$d" ] || [ -w "$d" ] || fail "user $server_user cannot write to $d (it belongs to $(stat -c %U "$d"))" \
            "Run this as its owner, or on a copy of your own."
    done
fi

# ---- build ---------------------------------------------------------------------------------------
say "building (Release) in build/"
generator=
command -v ninja >/dev/null && [ ! -f build/CMakeCache.txt ] && generator="-G Ninja"
cmake -C procs/cmake/release.cmake $generator -S . -B build >build.log 2>&1 ||
    { tail -20 build.log >&2; fail "cmake failed; the whole output is in build.log"; }
cmake --build build --target posthaste --parallel "$(nproc)" >>build.log 2>&1 ||
    { tail -30 build.log >&2; fail "the build failed; the whole output is in build.log"; }
mv build.log build/quickstart.log
as_user test -x "$bin/postgres" || fail "user $server_user cannot run $bin/postgres" "Its directory, or a umask, keeps others out."
"$bin/postgres" --version

# ---- data directory ------------------------------------------------------------------------------
if [ -e "$data" ]; then
    [ -d "$data" ] || fail "$data exists and is not a directory"
    owner=$(stat -c %U "$data")
    [ "$owner" = "$server_user" ] || fail "$data belongs to user $owner, not to $server_user" \
        "Run this as $owner, or move the directory away."
else
    mkdir -m 700 "$data"
    is_root && chown "$server_user" "$data"
fi

if as_user "$bin/pg_ctl" -D "$data" -s status >/dev/null 2>&1; then
    say "stopping the server of an earlier run"
    as_user "$bin/pg_ctl" -D "$data" -w -m fast stop
fi

# ---- port ----------------------------------------------------------------------------------------
hex=$(printf '%04X' "$port")
taken=
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v p=":$hex\$" '$2 ~ p && $4 == "0A" { found = 1 } END { exit !found }' && taken="TCP port $port"
grep -q "/\.s\.PGSQL\.$port\$" /proc/net/unix 2>/dev/null && taken="${taken:+$taken and }the socket .s.PGSQL.$port"
[ -z "$taken" ] || fail "$taken is in use by another server" "Stop it, or choose another port: PGPORT=5433 sh procs/quickstart.sh"

# ---- cluster -------------------------------------------------------------------------------------
if [ ! -f "$data/PG_VERSION" ]; then
    [ -z "$(ls -A "$data")" ] || fail "$data is not empty and is not a database cluster" "Move its contents away."
    say "creating a cluster in data/"
    as_user "$bin/initdb" -D "$data" -U postgres -E UTF8 -A trust --no-instructions || fail "initdb failed"
fi

say "starting the server"
options="-p $port"
as_user "$bin/pg_ctl" -D "$data" -l "$log" -o "$options" -w start || { tail -20 "$log" >&2; fail "the server did not start; its log is $log"; }

# ---- tour ----------------------------------------------------------------------------------------
PGPORT=$port
export PGPORT
connect=
psql -X -q -U postgres -d postgres -c 'SELECT 1' >/dev/null 2>&1 || {
    if psql -X -q -h /tmp -U postgres -d postgres -c 'SELECT 1' >/dev/null 2>&1; then
        connect="-h /tmp "
        PGHOST=/tmp
    else
        connect="-h localhost "
        PGHOST=localhost
    fi
    export PGHOST
}
say "database mydb"
if [ "$(psql -X -At -U postgres -d postgres -c "SELECT count(*) FROM pg_database WHERE datname = 'mydb'")" = 0 ]; then
    createdb -U postgres mydb || fail "createdb failed"
    echo "createdb mydb: done"
else
    echo "it is there from an earlier run"
fi

say "a tour through psql"
psql -X -a -v ON_ERROR_STOP=1 -U postgres -d mydb <<'SQL' || fail "the tour failed; the server's log is $log"
DROP TABLE IF EXISTS employees, departments;
CREATE TABLE departments (id integer PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE employees (
    id serial PRIMARY KEY,
    name text NOT NULL,
    department integer REFERENCES departments,
    salary numeric(10,2) CHECK (salary > 0),
    hired date DEFAULT '2024-01-01'
);
INSERT INTO departments VALUES (1, 'Engineering'), (2, 'Sales'), (3, 'Support');
INSERT INTO employees (name, department, salary, hired) VALUES
    ('Alice', 1, 85000.00, '2021-03-01'),
    ('Bob', 1, 72000.00, '2022-06-15'),
    ('Carol', 2, 61000.00, '2020-11-20'),
    ('Dave', 2, 55000.00, '2023-02-10'),
    ('Eve', 3, 48000.00, '2023-09-05');
SELECT name, salary FROM employees WHERE salary > 60000 ORDER BY salary DESC;
UPDATE employees SET salary = salary * 1.10 WHERE name = 'Dave' RETURNING name, salary;
DELETE FROM employees WHERE name = 'Eve' RETURNING id, name;
BEGIN;
UPDATE employees SET salary = 1;
SELECT sum(salary) FROM employees;
ROLLBACK;
SELECT e.name, d.name AS department, e.hired FROM employees e JOIN departments d ON d.id = e.department ORDER BY e.name;
SELECT d.name, count(*), avg(e.salary)::numeric(10,2) AS average
  FROM departments d LEFT JOIN employees e ON e.department = d.id GROUP BY d.name ORDER BY d.name;
SQL
query="SELECT count(*), sum(salary) FROM employees"
before=$(psql -X -At -U postgres -d mydb -c "$query")

say "an immediate stop (as a crash), and a new start with redo"
as_user "$bin/pg_ctl" -D "$data" -m immediate -w stop
as_user "$bin/pg_ctl" -D "$data" -l "$log" -o "$options" -w start || { tail -20 "$log" >&2; fail "the server did not start again; its log is $log"; }
after=$(psql -X -At -U postgres -d mydb -c "$query")
psql -X -a -U postgres -d mydb -c "SELECT * FROM employees ORDER BY id"
[ "$before" = "$after" ] || fail "data lost: before the stop $before, after it $after"
echo "all there: $after"

# ---- the end -------------------------------------------------------------------------------------
user_option=
[ "$port" = 5432 ] || user_option=" -p $port"
prefix=
is_root && prefix="runuser -u $server_user -- "
say "The server is running."
echo "Connect:  psql $connect-U postgres -d mydb$user_option     (or -h localhost)"
echo "Stop:     $prefix$bin/pg_ctl -D $data stop"
echo "Start:    $prefix$bin/pg_ctl -D $data -l $log -o \"$options\" start"
echo "Log:      $log"
