#!/bin/bash
# disk_faults.sh: a full disk, failing reads, writes and syncs, damaged bits: the answers are PostgreSQL's, the
# session goes on where PostgreSQL's does, nothing acknowledged is lost, and service resumes when the disk does.
# Run by root, the full disks are small file systems of their own; else (and for the rest) faults are injected.
# usage: PG_BIN=dir disk_faults.sh [case ...]
set -u
: "${PG_BIN:?}"
as_user=
user=$(id -un)
if [ "$(id -u)" = 0 ]; then
    user=${SERVER_USER:-$(id -un postgres 2>/dev/null || echo nobody)}
    as_user="runuser -u $user --"
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/disk_faults.XXXXXX") || exit 99
chmod 755 "$work"
mkdir "$work/bin" && cp "$PG_BIN/posthaste-faults" "$work/bin/posthaste" || exit 99
for name in postgres initdb pg_ctl; do ln -s posthaste "$work/bin/$name"; done
export PGHOST=$work PGPORT=$((20000 + $$ % 20000)) PGDATABASE=postgres PGUSER=postgres PGCONNECT_TIMEOUT=10
data=$work/data state=$work/state acks=$work/acks
failed=0
finish() {
    $as_user "$work/bin/pg_ctl" -D "$data" -m immediate -s stop >/dev/null 2>&1
    for m in "$data/base/5" "$data/pg_wal"; do [ -d "$m" ] && mountpoint -q "$m" && umount -l "$m"; done
    [ "$1" = 0 ] || [ ! -f "$work/log" ] || tail -n 20 "$work/log"
    [ "${KEEP_SERVER:-0}" = 1 ] && echo "kept: $work" || rm -rf "$work"
    exit "$1"
}
trap 'finish 130' INT TERM
fail() { echo "disk_faults.sh: $*"; finish 99; }
arm() { "$PG_BIN/faultctl" arm "$state" "$@"; }
start() { $as_user env POSTHASTE_FAULT_STATE="$state" "$work/bin/pg_ctl" -D "$data" -l "$work/log" -w -s start 2>/dev/null; }
stop() { $as_user "$work/bin/pg_ctl" -D "$data" -w -s stop; }
answers() { psql -XAtqc 'SELECT 1' >/dev/null 2>&1; }
comes_back() {
    for _ in $(seq 1 200); do
        answers && return 0
        sleep 0.05
    done
    answers || start
    answers
}
sql() { psql -XAtq -v VERBOSITY=verbose 2>&1; }
# expect NAME PATTERN: the text on standard input has a line that matches
expect() {
    local text
    text=$(cat)
    if ! grep -Eq -- "$2" <<<"$text"; then
        echo "$1: FAILED: no line matches: $2"
        sed 's/^/    /' <<<"$text"
        failed=$((failed + 1))
    fi
}
check() { # check NAME COMMAND...
    local name=$1
    shift
    "$@" >/dev/null 2>&1 || { echo "$name: FAILED: $*"; failed=$((failed + 1)); }
}
judge() { "$PG_BIN/power_load" verify -t "$acks" || { echo "$1: FAILED: what was acknowledged is not there"; failed=$((failed + 1)); }; }
load() { "$PG_BIN/power_load" run -c 4 -T "$1" -t "$acks" ${2:-}; }
log_mark() { log_from=$(wc -c <"$work/log"); }
log_since() { tail -c +$((log_from + 1)) "$work/log"; }

# ---- the cases ----

case_data_full() {
    sql >"$work/out" <<SQL
CREATE TABLE full_t (i int, v text);
INSERT INTO full_t SELECT g, repeat('x', 500) FROM generate_series(1, 100) g;
\! "$PG_BIN/faultctl" arm "$state" "op=write,path=base*,kind=client_backend,do=enospc,times=0" "op=extend,do=enospc,times=0"
INSERT INTO full_t SELECT g, repeat('x', 500) FROM generate_series(1, 20000) g;
SELECT 'still ' || count(*) FROM (SELECT 1 FROM full_t LIMIT 5) s;
\! "$PG_BIN/faultctl" clear "$state"
INSERT INTO full_t SELECT g, repeat('x', 500) FROM generate_series(1, 1000) g;
SELECT 'rows ' || count(*) FROM full_t;
DROP TABLE full_t;
SQL
    expect data_full 'ERROR:  53100: could not (extend|write).*No space left on device' <"$work/out"
    expect data_full 'HINT:  Check free disk space' <"$work/out"
    expect data_full '^still 5$' <"$work/out"
    expect data_full '^rows 1100$' <"$work/out"
}

case_read_error() {
    sql >"$work/out" <<SQL
CREATE TABLE read_t AS SELECT g AS i, repeat('y', 200) AS v FROM generate_series(1, 20000) g;
CHECKPOINT;
\! "$PG_BIN/faultctl" arm "$state" "op=read,path=base/5/2*,kind=client_backend,do=eio,nth=2,times=0"
SELECT 'sum ' || sum(length(v)) FROM read_t;
\! "$PG_BIN/faultctl" clear "$state"
SELECT 'again ' || sum(length(v)) FROM read_t;
\! "$PG_BIN/faultctl" arm "$state" "op=read,path=base*,kind=client_backend,do=flip,nth=3"
SELECT 'sum ' || sum(length(v)) FROM read_t;
SELECT 'again ' || sum(length(v)) FROM read_t;
DROP TABLE read_t;
SQL
    expect read_error 'ERROR:  58030: could not read block [0-9]+ in file "base/5/[0-9]+": Input/output error' <"$work/out"
    expect read_error 'ERROR:  XX001: invalid page in block [0-9]+ of relation base/5/[0-9]+' <"$work/out"
    [ "$(grep -c '^again 4000000$' "$work/out")" = 2 ] || { echo "read_error: FAILED: no second success"; cat "$work/out"; failed=$((failed + 1)); }
}

# A write error of the checkpointer: the checkpoint fails, nothing else does, the next one succeeds.
case_checkpoint_write() {
    log_mark
    sql >"$work/out" <<SQL
CREATE TABLE cw_t AS SELECT g AS i FROM generate_series(1, 5000) g;
\! "$PG_BIN/faultctl" arm "$state" "op=write,path=base*,kind=checkpointer,do=$1"
CHECKPOINT;
SELECT 'rows ' || count(*) FROM cw_t;
CHECKPOINT;
SELECT 'second checkpoint done';
DROP TABLE cw_t;
SQL
    expect "checkpoint_write $1" 'ERROR:  XX000: checkpoint request failed' <"$work/out"
    expect "checkpoint_write $1" 'HINT:  Consult recent messages in the server log for details' <"$work/out"
    expect "checkpoint_write $1" '^rows 5000$' <"$work/out"
    expect "checkpoint_write $1" '^second checkpoint done$' <"$work/out"
    expect "checkpoint_write $1" 'checkpoint complete: wrote [1-9][0-9]* buffers' < <(log_since)
}

# What cannot be given up is a PANIC: the server restarts by itself and has everything.
# arguments: name, rule, what the log says
panics() {
    log_mark
    load 0.3 || { echo "$1: FAILED: load"; failed=$((failed + 1)); }
    arm "$2"
    load 1 -k
    psql -XAtqc CHECKPOINT >/dev/null 2>&1
    "$PG_BIN/faultctl" clear "$state"
    check "$1" comes_back
    expect "$1" "$3" < <(log_since)
    judge "$1"
}

case_small_disk() { # the database's directory on a file system that fills up
    [ "$(id -u)" = 0 ] || return 0
    local need
    stop
    need=$(du -sm "$data/base/5" | cut -f1)
    mkdir "$work/db.copy" && cp -a "$data/base/5/." "$work/db.copy/" && mount -t tmpfs -o size=$((need + 12))m none "$data/base/5" || { start; return 0; }
    cp -a "$work/db.copy/." "$data/base/5/" && chown "$user" "$data/base/5" && chmod 700 "$data/base/5"
    start
    sql >"$work/out" <<SQL
CREATE TABLE small_t (i int, v text);
INSERT INTO small_t SELECT g, repeat(md5(g::text), 28) FROM generate_series(1, 40000) g;
SELECT 'rows ' || count(*) FROM small_t;
TRUNCATE small_t;
INSERT INTO small_t SELECT g, repeat('z', 900) FROM generate_series(1, 1000) g;
CHECKPOINT;
SELECT 'rows ' || count(*) FROM small_t;
DROP TABLE small_t;
SQL
    expect small_disk 'ERROR:  53100: could not extend file "base/5/[0-9]*": No space left on device' <"$work/out"
    expect small_disk '^rows 0$' <"$work/out"
    expect small_disk '^rows 1000$' <"$work/out"
    load 0.3 || { echo "small_disk: FAILED: no load afterwards"; failed=$((failed + 1)); }
    judge small_disk
    stop
    cp -a "$data/base/5/." "$work/db.copy/"
    umount "$data/base/5" && rm -rf "$data/base/5" && mv "$work/db.copy" "$data/base/5"
    start
}

case_wal_disk() { # pg_wal on a small file system that fills up
    [ "$(id -u)" = 0 ] || return 0
    stop
    mkdir "$work/wal.copy" && cp -a "$data/pg_wal/." "$work/wal.copy/" && mount -t tmpfs -o size=80m none "$data/pg_wal" || return 0
    cp -a "$work/wal.copy/." "$data/pg_wal/" && chown "$user" "$data/pg_wal" && chmod 700 "$data/pg_wal"
    rm -rf "$work/wal.copy"
    echo "max_wal_size = 1GB" >>"$data/postgresql.conf"
    start
    log_mark
    load 0.5 || echo "wal_disk: load"
    dd if=/dev/zero of="$data/pg_wal/ballast" bs=1M count=80 >/dev/null 2>&1 # not what the server left
    for _ in 1 2 3 4 5 6; do
        psql -XAtqc "CREATE TABLE IF NOT EXISTS fill_t (v text); INSERT INTO fill_t SELECT repeat(md5(g::text), 60) FROM generate_series(1, 8000) g" >/dev/null 2>&1
        load 0.1 -k
    done
    expect wal_disk 'PANIC:.*(could not (create|write)).*No space left on device' < <(log_since)
    rm -f "$data/pg_wal/ballast"
    check wal_disk comes_back
    judge wal_disk
    psql -XAtqc "DROP TABLE IF EXISTS fill_t; CHECKPOINT" >/dev/null 2>&1
    load 0.3 || { echo "wal_disk: FAILED: no load afterwards"; failed=$((failed + 1)); }
    judge wal_disk
}

# ---- all of them ----

touch "$work/log" "$acks"
"$PG_BIN/faultctl" init "$state" || fail faultctl
chown "$user" "$work" "$work/log"
$as_user "$work/bin/initdb" -D "$data" -U postgres -A trust --locale=C -E UTF8 -N >"$work/initdb.log" 2>&1 || fail initdb
cat >>"$data/postgresql.conf" <<CONF
port = $PGPORT
unix_socket_directories = '$work'
listen_addresses = ''
shared_buffers = 2MB
min_wal_size = 32MB
csn_ring_size = 2048
CONF
start || fail start
"$PG_BIN/power_load" init || fail "load init"

cases=${*:-data_full read_error checkpoint_eio checkpoint_full short wal_sync wal_write wal_create data_sync control slru small_disk wal_disk}
for c in $cases; do
    case $c in
    checkpoint_eio) case_checkpoint_write eio ;;
    checkpoint_full) case_checkpoint_write enospc ;;
    short) # short reads and writes are nobody's business
        arm "op=read,do=short,prob=0.3,times=0" "op=write,do=short,prob=0.3,times=0"
        load 1 || { echo "short: FAILED"; failed=$((failed + 1)); }
        "$PG_BIN/faultctl" clear "$state"
        judge short
        ;;
    wal_sync) panics wal_sync "op=sync,path=pg_wal/0*,nth=50,do=eio" 'PANIC:.*could not fsync file "0[0-9A-F]*": Input/output error' ;;
    wal_write) panics wal_write "op=write,path=pg_wal/0*,nth=50,do=eio" 'PANIC:.*could not write to log file.*Input/output error' ;;
    wal_create)
        psql -XAtqc "CREATE TABLE IF NOT EXISTS push_t (v text)" >/dev/null
        log_mark
        arm "op=create,path=pg_wal/xlogtemp*,do=enospc,times=0"
        for _ in 1 2 3 4; do
            psql -XAtqc "INSERT INTO push_t SELECT repeat(md5(g::text), 60) FROM generate_series(1, 8000) g" >/dev/null 2>&1
        done
        "$PG_BIN/faultctl" clear "$state"
        check wal_create comes_back
        expect wal_create 'PANIC:.*could not create file.*No space left on device' < <(log_since)
        psql -XAtqc "DROP TABLE IF EXISTS push_t; CHECKPOINT" >/dev/null 2>&1
        judge wal_create
        ;;
    data_sync) panics data_sync "op=sync,path=base*,kind=checkpointer,do=eio" 'PANIC:.*could not fsync file "base/[^"]*": Input/output error' ;;
    control) panics control "op=write,path=global/pg_control,do=enospc" 'PANIC:.*could not write to file "global/pg_control": No space left' ;;
    slru)
        sql >"$work/out" <<SQL
\! "$PG_BIN/faultctl" arm "$state" "op=write,path=pg_xact*,do=enospc"
CREATE TABLE slru_t (i int);
CHECKPOINT;
SELECT 'goes on';
CHECKPOINT;
SELECT 'and succeeds';
DROP TABLE slru_t;
SQL
        expect slru 'ERROR:  XX000: checkpoint request failed' <"$work/out"
        expect slru '^and succeeds$' <"$work/out"
        ;;
    *) "case_$c" ;;
    esac
done
grep -E 'was terminated by signal (7|8|11)|assertion failed' "$work/log" && failed=$((failed + 1))
echo "$failed failed"
finish $((failed > 0))
