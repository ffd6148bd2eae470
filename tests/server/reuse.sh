#!/bin/bash
# A backend serves one client after another: nothing of the first may reach the second. Each step connects, leaves
# something behind, connects again to the same process (its pid is the proof) and looks for it.
set -u
passed=0 failed=0
run() { psql -X -q -At -v ON_ERROR_STOP=0 "$@" 2>&1; }
check() { # what, got, want
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $1: got '$2', want '$3'"
    fi
}
pid_of() { run "$@" -c 'SELECT pg_backend_pid()'; }

# ---- the same process serves the next client --------------------------------------------------
run -c "CREATE ROLE reuse_plain LOGIN; ALTER ROLE reuse_plain SET work_mem = '7MB'; ALTER ROLE reuse_plain SET app.of_role = 'x'" -c 'CREATE DATABASE reuse_other' -c 'CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)' -c 'CREATE SEQUENCE reuse_seq'
first=$(pid_of)
check 'a backend is used again' "$(pid_of)" "$first"

# after: SQL that leaves something; then: a question to the next client, and its answer
after() {
    local pid
    pid=$(run -c 'SELECT pg_backend_pid()' -c "$2" | head -1)
    check "$1" "$(run -c 'SELECT pg_backend_pid()' -c "$3")" "$pid
$4"
}
after 'settings' "SET timezone = 'Asia/Tokyo'; SET work_mem = '9MB'; SET search_path = pg_catalog" "SELECT current_setting('work_mem'), current_setting('search_path'), current_setting('timezone') = (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone')" '4MB|"$user", public|t'
after 'where a setting came from' "SET work_mem = '9MB'" "SELECT source, reset_val FROM pg_settings WHERE name = 'work_mem'" 'default|4096'
after 'a custom setting' "SET app.secret = 'tell nobody'" "SELECT current_setting('app.secret', true) IS NULL" t
after 'a custom setting by set_config' "SELECT set_config('app.secret', 'x', false)" "SHOW app.secret" 'ERROR:  unrecognized configuration parameter "app.secret"'
after 'a read-only session' 'SET default_transaction_read_only = on' "INSERT INTO kept VALUES (2); SELECT count(*) FROM kept" 2
after 'a role' 'SET ROLE reuse_plain' 'SELECT current_user, session_user' 'postgres|postgres'
after 'another session user' 'SET SESSION AUTHORIZATION reuse_plain' "SELECT current_user, session_user, current_setting('is_superuser')" 'postgres|postgres|on'
after 'a temporary table' "CREATE TEMP TABLE kept AS SELECT 'temporary'::text AS a" "SELECT max(a) FROM kept; SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname LIKE 'pg_temp%'" '2
0'
after 'a prepared statement' 'PREPARE p AS SELECT 1' "SELECT count(*) FROM pg_prepared_statements; EXECUTE p" '0
ERROR:  prepared statement "p" does not exist'
after 'a held cursor' 'BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; COMMIT' 'SELECT count(*) FROM pg_cursors' 0
after 'an advisory lock' 'SELECT pg_advisory_lock(7)' "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'" 0
after 'an open transaction' 'BEGIN; INSERT INTO kept VALUES (3)' "SELECT count(*) FROM kept; SELECT count(*) FROM pg_locks WHERE relation = 'kept'::regclass AND mode <> 'AccessShareLock'" '2
0'
after 'a failed transaction' 'BEGIN; SELECT 1/0' 'SELECT count(*) FROM kept' 2
after 'a listener' 'LISTEN reuse_channel' "NOTIFY reuse_channel; SELECT count(*) FROM pg_listening_channels()" 0
after 'a sequence value' "SELECT nextval('reuse_seq')" "SELECT currval('reuse_seq')" 'ERROR:  currval of sequence "reuse_seq" is not yet defined in this session'
after 'lastval' "SELECT nextval('reuse_seq')" "SELECT lastval()" 'ERROR:  lastval is not yet defined in this session'
after 'an open COPY' "COPY kept FROM STDIN" 'SELECT count(*) FROM kept' 2
after 'a statement timeout' "SET statement_timeout = 50" 'SELECT pg_sleep(0.2); SELECT 1' '
1'
after 'an ordinary session: a statement of the next can be cancelled' 'SELECT 1' "SET statement_timeout = 50; SELECT pg_sleep(20)" 'ERROR:  canceling statement due to statement timeout'
after 'one more: the next can be terminated' 'SELECT 1' "SELECT pg_terminate_backend(pg_backend_pid())" 'FATAL:  terminating connection due to administrator command
server closed the connection unexpectedly
	This probably means the server terminated abnormally
	before or while processing the request.
connection to server was lost'
pid_of >/dev/null
a=$(run -c 'SELECT setseed(0.25)' -c 'SELECT random()' | tail -1)
run -c 'SELECT setseed(0.25)' >/dev/null
check 'the draw after a seed of another client' "$([ "$(run -c 'SELECT random()')" = "$a" ] && echo same)" ''

# ---- other users and databases -----------------------------------------------------------------
run -U reuse_plain -c 'SELECT 1' >/dev/null
check 'settings of another role' "$(run -c "SELECT pg_backend_pid() = $(pid_of), current_setting('work_mem'), current_setting('app.of_role', true), current_user")" 't|4MB||postgres'
check 'settings of the own role' "$(run -U reuse_plain -c "SELECT current_setting('work_mem'), current_setting('app.of_role'), session_user, current_setting('is_superuser')")" '7MB|x|reuse_plain|off'
check 'privileges of the own role' "$(run -U reuse_plain -c 'SELECT * FROM kept')" 'ERROR:  permission denied for table kept'
check 'a cached plan of another role' "$(run -c 'SELECT count(*) FROM kept'; run -U reuse_plain -c 'SELECT count(*) FROM kept')" '2
ERROR:  permission denied for table kept'
check 'another database' "$(run -d reuse_other -c "SELECT current_database(), to_regclass('kept') IS NULL")" 'reuse_other|t'
run -d reuse_other -c 'CREATE TABLE kept (b text); INSERT INTO kept VALUES ($$other$$)'
check 'the same name there' "$(run -d reuse_other -c 'SELECT * FROM kept'; run -c 'SELECT count(*) FROM kept'; run -d reuse_other -c 'SELECT * FROM kept')" 'other
2
other'
check 'DROP DATABASE does not meet those who served it' "$(run -c 'DROP DATABASE reuse_other' -c 'SELECT 1')" 1
check 'nor can anybody enter it' "$(run -d reuse_other -c 'SELECT 1' | sed 's/.*FATAL/FATAL/')" 'FATAL:  database "reuse_other" does not exist'

# ---- what others changed while the process waited ---------------------------------------------------
# Two processes, whose slots are exchanged between the change and the next look at it.
mkfifo "$PGDATA/../hold1" "$PGDATA/../hold2" 2>/dev/null || exit 99
hold() { # n: a session fed from a fifo; its answers in hold$1.out
    psql -X -q -At <"$PGDATA/../hold$1" >"$PGDATA/../hold$1.out" 2>&1 8>&- 9>&- &
}
answer() { # n, lines: waits until that many lines have come
    for _ in $(seq 100); do
        [ "$(wc -l <"$PGDATA/../hold$1.out")" -ge "$2" ] && break
        sleep 0.05
    done
    tail -1 "$PGDATA/../hold$1.out"
}
hold 1; exec 8>"$PGDATA/../hold1"
hold 2; exec 9>"$PGDATA/../hold2"
echo 'SELECT * FROM kept LIMIT 1; SELECT pg_backend_pid();' >&8
one=$(answer 1 2)
echo 'SELECT * FROM kept LIMIT 1; SELECT pg_backend_pid();' >&9
two=$(answer 2 2)
exec 8>&-                       # the first waits for another client,
sleep 0.3
echo 'ALTER TABLE kept ADD COLUMN b int DEFAULT 8; SELECT 0;' >&9
answer 2 3 >/dev/null           # while the second changes the table,
exec 9>&-                       # leaves,
sleep 0.3
hold 1; exec 8>"$PGDATA/../hold1"
echo 'SELECT pg_backend_pid();' >&8
check 'the last to leave is the first to serve' "$(answer 1 1)" "$two" # and comes back in the other's slot
check 'a change by the former owner of the slot is seen' "$(run -c 'SELECT pg_backend_pid()' -c 'SELECT * FROM kept LIMIT 1')" "$one
1|8"
exec 8>&-
wait

# ---- when a process is not used again ---------------------------------------------------------------
pid=$(pid_of)
run -c 'SELECT pg_terminate_backend(pg_backend_pid())' >/dev/null
check 'terminated: another process serves' "$([ "$(pid_of)" != "$pid" ] && echo other)" other
pid=$(pid_of)
run -c "ALTER SYSTEM SET work_mem = '6MB'" -c 'SELECT pg_reload_conf()' -c 'SELECT pg_sleep(0.3)' >/dev/null
check 'a reload reaches who waits and who comes' "$(run -c 'SHOW work_mem')" 6MB
run -c 'ALTER SYSTEM RESET work_mem' -c 'SELECT pg_reload_conf()' -c 'SELECT pg_sleep(0.3)' >/dev/null
check 'and back' "$(run -c 'SHOW work_mem')" 4MB
run -c 'DROP TABLE kept; DROP SEQUENCE reuse_seq; DROP ROLE reuse_plain'
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
