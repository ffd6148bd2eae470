#!/bin/bash
# Verification of heaps and B-trees from SQL, damaged pages, and PostgreSQL's own pg_amcheck, unmodified.
# Runs under with_server.sh.
set -u
failed=0
sql() { psql -XAtq -v VERBOSITY=verbose 2>&1; }
expect() { # expect NAME PATTERN < text
    local text
    text=$(cat)
    if ! grep -Eq -- "$2" <<<"$text"; then
        echo "$1: FAILED: no line matches: $2"
        sed 's/^/    /' <<<"$text" | head -20
        failed=$((failed + 1))
    fi
}
quiet() { # quiet NAME COMMAND...: succeeds without a word
    local name=$1 text
    shift
    text=$("$@" 2>&1) && [ -z "$text" ] || { echo "$name: FAILED: $text" | head -20; failed=$((failed + 1)); }
}
restart_after() { # restart_after COMMAND...: with the server stopped
    $SERVER_STOP fast >/dev/null
    "$@"
    $DIFF_RESTART >/dev/null
}

out=/tmp/verify.$$
sql >$out <<'SQL'
CREATE TABLE v_t (a int PRIMARY KEY, b text, c int);
INSERT INTO v_t SELECT g, 'row ' || g, g % 7 FROM generate_series(1, 3000) g;
INSERT INTO v_t SELECT 10000 + g, (SELECT string_agg(md5((g * 100 + i)::text), '') FROM generate_series(1, 400) i), 0 FROM generate_series(1, 5) g;
CREATE INDEX v_c ON v_t (c);
CREATE INDEX v_part ON v_t (a) WHERE c = 1;
UPDATE v_t SET c = c + 1 WHERE a % 3 = 0;
DELETE FROM v_t WHERE a % 5 = 0;
CREATE VIEW v_v AS SELECT 1;
CREATE ROLE v_joe;
SELECT 'made';
SQL
expect setup '^made$' <$out
! grep ERROR $out || failed=$((failed + 1))

# sound tables and indexes, in every form of call
sql >$out <<'SQL'
SELECT 'ok ' || count(bt_index_check(c.oid)) FROM pg_class c WHERE relkind = 'i';
SELECT bt_index_check('v_c', true), bt_index_check(index => 'v_t_pkey', heapallindexed => true);
SELECT bt_index_parent_check('v_t_pkey'), bt_index_parent_check('v_t_pkey', true), bt_index_parent_check('v_t_pkey', true, true);
SELECT 'found ' || count(*) FROM pg_class c, LATERAL verify_heapam(c.oid, false, true) v WHERE relkind IN ('r', 't', 'm', 'S');
SELECT 'found ' || count(*) FROM verify_heapam('v_t', check_toast := true, skip := 'all-visible', startblock := 1, endblock := 3);
VACUUM v_t;
SELECT 'found ' || count(*) FROM verify_heapam('v_t', skip := 'all-frozen');
SELECT bt_index_check('v_t');
SELECT bt_index_check('v_part', true);
SELECT bt_index_check(4711);
SELECT * FROM verify_heapam('v_v');
SELECT * FROM verify_heapam('v_c');
SELECT * FROM verify_heapam('v_t', startblock := 100000);
SELECT * FROM verify_heapam('v_t', skip := 'some');
SELECT * FROM verify_heapam('v_t', on_error_stop := null);
SET ROLE v_joe;
SELECT bt_index_check('v_c');
SELECT * FROM verify_heapam('v_t');
SQL
expect all_indexes '^ok [1-9]' <$out
[ "$(grep -c '^found 0$' $out)" = 3 ] || { echo "sound: FAILED"; cat $out; failed=$((failed + 1)); }
expect not_an_index '^ERROR:  42809: "v_t" is not an index' <$out
expect partial '^ERROR:  0A000: cannot check index "v_part" against its table' <$out
expect no_relation '^ERROR:  XX000: could not open relation with OID 4711' <$out
expect view '^DETAIL:  This operation is not supported for views\.' <$out
expect index '^DETAIL:  This operation is not supported for indexes\.' <$out
expect block '^ERROR:  22023: starting block number must be between 0 and [0-9]+' <$out
expect skip '^HINT:  Valid skip options are "all-visible", "all-frozen", and "none"\.' <$out
expect null '^ERROR:  22023: on_error_stop cannot be null' <$out
expect privilege '^ERROR:  42501: permission denied for function bt_index_check' <$out
expect privilege '^ERROR:  42501: permission denied for function verify_heapam' <$out

# PostgreSQL's pg_amcheck
expect extension '^1\.3$' < <(sql <<<'CREATE EXTENSION amcheck; SELECT extversion FROM pg_extension WHERE extname = $$amcheck$$')
amcheck=$(command -v pg_amcheck || echo /usr/lib/postgresql/15/bin/pg_amcheck)
if [ -x "$amcheck" ]; then
    quiet pg_amcheck "$amcheck" -d postgres
    quiet pg_amcheck_thorough "$amcheck" -d postgres -t v_t --parent-check --rootdescend
fi

# damage: line pointers of block 2
file=$PGDATA/$(sql <<<"SELECT pg_relation_filepath('v_t')")
damage() { # tuples that begin at an odd place
    for _ in 1 2 3 4 5 6; do printf '\x23\x81\x70\x17'; done | dd of="$file" bs=1 seek=$((2 * 8192 + 40)) conv=notrunc status=none
}
restart_after damage
sql >$out <<'SQL'
SELECT count(*) FROM v_t;
SELECT 'goes on';
SELECT * FROM verify_heapam('v_t');
SET ignore_checksum_failure = on;
SELECT 'found ' || count(*) > 'found 0' FROM verify_heapam('v_t') WHERE blkno = 2;
SELECT 'stopped ' || count(DISTINCT blkno) FROM verify_heapam('v_t', on_error_stop := true);
SQL
name=$(basename "$(dirname "$file")")/$(basename "$file")
expect damaged_page "^ERROR:  XX001: invalid page in block 2 of relation base/$name" <$out
expect damaged_page '^goes on$' <$out
expect ignored '^WARNING:  .*page verification failed' <$out
expect findings '^t$' <$out
expect stop '^stopped 1$' <$out
restart_after true # the page that was let pass stays in memory
if [ -x "$amcheck" ]; then
    "$amcheck" -d postgres -t v_t >$out 2>&1
    [ $? = 2 ] || { echo "pg_amcheck: FAILED: damage is not told"; cat $out; failed=$((failed + 1)); }
    expect pg_amcheck 'invalid page in block 2' <$out
fi
restart_after true
sql >$out <<'SQL'
SET zero_damaged_pages = on;
SELECT 'left ' || (count(*) > 1000) FROM v_t;
SELECT 'index ' || bt_index_check('v_c', false);
SQL
expect zeroed "^WARNING:  .*invalid page in block 2 of relation base/$name; zeroing out page" <$out
expect zeroed '^left true$' <$out
rm -f $out
echo "$failed failed"
[ "$failed" = 0 ]
