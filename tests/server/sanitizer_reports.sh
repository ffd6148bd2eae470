#!/bin/sh
# Shows and fails on what the sanitizers wrote to SANITIZER_REPORTS (tests/run_sanitized.sh) while the tests ran.
if [ -z "${SANITIZER_REPORTS:-}" ]; then
    echo "SANITIZER_REPORTS is not set: reports went to the logs, where each test looks for them"
    exit 77
fi
count=0
for report in "$SANITIZER_REPORTS"/*; do
    # The parser's own stack makes AddressSanitizer warn of swapcontext once: no report.
    [ -f "$report" ] && grep -Eq 'ERROR: |runtime error:' "$report" || continue
    count=$((count + 1))
    [ $count -gt 20 ] || { echo "--- $report"; head -n 60 "$report"; }
done
echo "$count sanitizer reports"
[ $count = 0 ]
