#!/bin/sh
# The shortest way through every layer: table, index, rows, transaction, restart of the server.
set -eu
q() { psql -X -q -A -t -v ON_ERROR_STOP=1 -c "$1"; }
expect() {
    got=$(q "$1")
    if [ "$got" != "$2" ]; then
        echo "not as expected: $1"
        echo "  got:  $got"
        echo "  want: $2"
        exit 1
    fi
}
q "CREATE TABLE smoke (id int PRIMARY KEY, name text NOT NULL, salary numeric(10,2))"
q "INSERT INTO smoke SELECT g, 'name ' || g, g * 1.5 FROM generate_series(1, 1000) g"
expect "SELECT count(*), sum(salary) FROM smoke" "1000|750750.00"
expect "SELECT name FROM smoke WHERE id = 77" "name 77"
q "BEGIN; DELETE FROM smoke; ROLLBACK"
expect "SELECT count(*) FROM smoke" "1000"
q "UPDATE smoke SET salary = salary + 1 WHERE id <= 10"
q "DELETE FROM smoke WHERE id > 900"
expect "SELECT count(*), sum(salary) FROM smoke" "900|608185.00"
sh -c "$SERVER_STOP immediate"
sh -c "$DIFF_RESTART"
expect "SELECT count(*), sum(salary) FROM smoke" "900|608185.00"
echo "1 passed, 0 failed"
