#!/bin/sh
# initdb, pg_ctl and the supervisor from outside: start, status, stop in three modes, reload, restart
# after a crash, a stale pid file, a second server on the same directory, refusals.
# usage: procs_pgctl_test.sh BIN-DIRECTORY      (as root it becomes user nobody)
bin=${1:-$(dirname "$0")/../build/bin}
bin=$(cd "$bin" && pwd) || exit 2
psql=/usr/lib/postgresql/15/bin/psql
[ -x $psql ] || psql=$(command -v psql) || { echo "psql not found"; exit 77; }

if [ "$(id -u)" = 0 ]; then
    "$bin/initdb" -D /tmp/never 2>&1 | grep -q 'cannot be run as root' || { echo "FAIL: initdb as root"; exit 1; }
    "$bin/postgres" -D /tmp/never 2>&1 | grep -q '"root" execution of the PostgreSQL server is not permitted' || { echo "FAIL: postgres as root"; exit 1; }
    work=$(mktemp -d /tmp/procs_test.XXXXXX)
    cp "$0" "$work/test.sh"
    mkdir "$work/bin" # a copy: the tree may lie where nobody cannot go, as in /root
    cp -L "$bin/posthaste" "$work/bin/posthaste" || exit 2
    for name in postgres initdb pg_ctl pg_controldata; do ln -s posthaste "$work/bin/$name"; done
    chown -R nobody "$work"
    WORK=$work runuser -u nobody -- sh "$work/test.sh" "$work/bin"
    code=$?
    rm -rf "$work"
    exit $code
fi
work=${WORK:-$(mktemp -d /tmp/procs_test.XXXXXX)}
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
d=$work/data
port=$((20000 + $$ % 20000))
failures=0
count=0

ok() { # ok NAME STATUS-OF-LAST
    count=$((count + 1))
    if [ "$2" = 0 ]; then echo "ok $count - $1"; else echo "FAIL $count - $1"; failures=$((failures + 1)); fi
}
has() { grep -q -- "$1" "$2"; }
sql() { $psql -X -At -h "$work" -p $port -U postgres -d "${db:-postgres}" -c "$1" 2>&1; }
pid() { head -1 "$d/postmaster.pid" 2>/dev/null; }
wait_for() { # wait_for SECONDS COMMAND...
    n=$(($1 * 10)); shift
    while [ $n -gt 0 ]; do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; n=$((n - 1)); done
    return 1
}
no_server() { [ ! -f "$d/postmaster.pid" ]; }
answers() { [ "$(sql 'SELECT 1')" = 1 ]; }

# ---- initdb
"$bin/initdb" -D "$d" -U postgres -N >out 2>&1; ok "initdb" $?
has 'Success. You can now start the database server using:' out; ok "initdb says how to start" $?
[ "$(stat -c %a "$d")" = 700 ]; ok "data directory is private" $?
"$bin/initdb" -D "$d" -U postgres -N >out 2>&1; [ $? = 1 ] && has 'exists but is not empty' out; ok "initdb refuses a directory in use" $?
[ -f "$d/PG_VERSION" ]; ok "and leaves it alone" $?
"$bin/pg_controldata" -D "$d" >out 2>&1 && has 'Database cluster state: *shut down$' out; ok "pg_controldata: shut down" $?

# ---- before the first start
"$bin/pg_ctl" -D "$d" status >out 2>&1; [ $? = 3 ] && has 'no server running' out; ok "status: 3 when not running" $?
"$bin/pg_ctl" -D "$work/none" status >out 2>&1; [ $? = 4 ]; ok "status: 4 without a directory" $?
"$bin/pg_ctl" -D "$d" stop >out 2>&1; [ $? = 1 ] && has 'Is server running?' out; ok "stop without a server" $?
[ "$("$bin/postgres" -D "$d" -c work_mem=7MB -C work_mem)" = 7MB ]; ok "postgres -C" $?
chmod 755 "$d"; "$bin/postgres" -D "$d" >out 2>&1; has 'has invalid permissions' out; ok "refuses a directory others can read" $?
chmod 700 "$d"

# ---- start
opts="-p $port -k $work"
"$bin/pg_ctl" -D "$d" -l log -o "$opts" -w start >out 2>&1; ok "start" $?
has 'server started' out; ok "start says so" $?
[ "$(sed -n 8p "$d/postmaster.pid")" = 'ready   ' ] && [ "$(sed -n 4p "$d/postmaster.pid")" = $port ] && [ "$(sed -n 5p "$d/postmaster.pid")" = "$work" ]; ok "postmaster.pid has its lines" $?
"$bin/pg_ctl" -D "$d" status >out 2>&1 && has 'server is running (PID: ' out; ok "status: running" $?
answers; ok "a query is answered" $?
[ "$($psql -X -At -h localhost -p $port -U postgres -d postgres -c 'SELECT 2')" = 2 ]; ok "over TCP too" $?
for kind in checkpointer 'background writer' walwriter 'autovacuum launcher'; do
    ps -o args= --ppid "$(pid)" | grep -q "^postgres: $kind"; ok "ps shows $kind" $?
done
"$bin/postgres" -D "$d" -p $((port + 1)) -k "$work" >out 2>&1; has 'lock file "postmaster.pid" already exists' out; ok "a second server on the directory is refused" $?
"$bin/initdb" -D "$work/d2" -U postgres -N >out 2>&1 && { "$bin/postgres" -D "$work/d2" -p $port -k "$work" -h '' >out 2>&1; has 'already exists' out && has 'using socket file' out; }; ok "a second server on the socket is refused" $?
answers; ok "and harms nobody" $?

# ---- reload
echo "work_mem = 9MB" >>"$d/postgresql.conf"
"$bin/pg_ctl" -D "$d" reload >out 2>&1; ok "reload" $?
reloaded() { [ "$(sql 'SHOW work_mem')" = 9MB ]; }
wait_for 5 reloaded; ok "a new session sees the new value" $?

# ---- data, fast stop, start
sql 'CREATE TABLE t (a int)' >/dev/null; sql 'INSERT INTO t VALUES (1),(2)' >/dev/null
"$bin/pg_ctl" -D "$d" -m fast -w stop >out 2>&1; ok "fast stop" $?
no_server; ok "removes postmaster.pid" $?
has 'database system is shut down' log; ok "logs its end" $?
"$bin/pg_ctl" -D "$d" -l log -o "$opts" -w start >out 2>&1; ok "start again" $?
[ "$(sql 'SELECT count(*) FROM t')" = 2 ]; ok "data are there" $?

# ---- immediate stop: redo
sql 'INSERT INTO t VALUES (3)' >/dev/null
"$bin/pg_ctl" -D "$d" -m immediate -w stop >out 2>&1; ok "immediate stop" $?
"$bin/pg_ctl" -D "$d" -l log -o "$opts" -w start >out 2>&1; ok "start with redo" $?
has 'automatic recovery in progress' log; ok "redo was needed" $?
[ "$(sql 'SELECT count(*) FROM t')" = 3 ]; ok "the commit is there" $?

# ---- restart keeps the options
"$bin/pg_ctl" -D "$d" -l log -w restart >out 2>&1; ok "restart" $?
answers; ok "on the same port" $?

# ---- a killed session: all restart
: >log
sql 'INSERT INTO t VALUES (4)' >/dev/null
(sql 'SELECT pg_sleep(30)' >sleep.out) &
sleeper() { ps -o pid=,args= --ppid "$(pid)" | awk '/postgres: postgres postgres .*SELECT/ { print $1; found = 1 } END { exit !found }'; }
if wait_for 5 sleeper; then
    kill -9 "$(sleeper | head -1)"
    wait_for 15 has 'all server processes terminated; reinitializing' log; ok "a killed session restarts the instance" $?
    has 'was terminated by signal 9: Killed' log && has 'Failed process was running: SELECT pg_sleep(30)' log; ok "the log names it and its query" $?
    wait_for 15 answers; ok "the instance is back" $?
    [ "$(sql 'SELECT count(*) FROM t')" = 4 ]; ok "with its data" $?
else
    ok "a session shows its query in ps" 1
fi
wait

# ---- a killed helper: the same
: >log
kill -9 "$(ps -o pid=,args= --ppid "$(pid)" | awk '/background writer/ { print $1 }')"
wait_for 15 has 'ready to accept connections' log && wait_for 15 answers; ok "a killed background writer restarts the instance" $?

# ---- kill -9 of the postmaster: children follow, the pid file is stale
old=$(pid)
kids=$(ps -o pid= --ppid "$old")
kill -9 "$old"
gone() { for k in $kids; do kill -0 "$k" 2>/dev/null && return 1; done; return 0; }
wait_for 5 gone; ok "children die with the postmaster" $?
"$bin/pg_ctl" -D "$d" status >/dev/null 2>&1; [ $? = 3 ]; ok "the pid file is recognised as stale" $?
"$bin/pg_ctl" -D "$d" -l log -o "$opts" -w start >out 2>&1; ok "start over it" $?
[ "$(sql 'SELECT count(*) FROM t')" = 4 ]; ok "data are there after it" $?

# ---- smart stop waits
(sql 'SELECT pg_sleep(2)' >smart.out) &
wait_for 5 sleeper
"$bin/pg_ctl" -D "$d" -m smart -W stop >out 2>&1; ok "smart stop" $?
refused() { sql 'SELECT 1' | grep -q 'the database system is shutting down'; }
wait_for 1 refused; ok "new clients are refused meanwhile" $?
wait_for 10 no_server; ok "it ends after the last client" $?
wait
[ "$(wc -l <smart.out)" = 1 ] && ! has ERROR smart.out && ! has FATAL smart.out; ok "whose query was not cut short" $?

# ---- too many clients
"$bin/pg_ctl" -D "$d" -l log -o "$opts -N 5 -c superuser_reserved_connections=1" -w start >out 2>&1; ok "start with five slots" $?
for i in 1 2 3 4 5 6 7; do (sql 'SELECT pg_sleep(4), 7' >many.$i) & done
wait
[ "$(cat many.* | grep -c '|7')" = 5 ] && [ "$(cat many.* | grep -c 'sorry, too many clients already')" = 2 ]; ok "the sixth client is refused" $?
wait_for 3 answers; ok "and served when there is room" $?

# ---- bad configuration
echo "nonsense = 1" >>"$d/postgresql.conf"
: >log
"$bin/pg_ctl" -D "$d" reload >/dev/null 2>&1
wait_for 5 has 'contains errors; no changes were applied' log; ok "a bad file is refused on reload" $?
"$bin/pg_ctl" -D "$d" -m fast -w stop >out 2>&1; ok "last stop" $?
"$bin/pg_ctl" -D "$d" -l log -o "$opts" -w start >out 2>&1; [ $? = 1 ] && has 'could not start server' out && has 'unrecognized configuration parameter "nonsense"' log; ok "and at start, with file and line" $?

echo "$count checks, $failures failed"
[ $failures = 0 ]
