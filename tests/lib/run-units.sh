#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs Check programs and adds up their results. Prints a line for each program
# that fails, with its output, and a total. With CHECK_TALLY set, appends
# "passed failed" to that file.
set -u
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for program in "$@"; do
    timeout "${UNIT_TIMEOUT:-300}" "$program" >"$log" 2>&1
    status=$?
    counts=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\)$/\1 \2 \3/p' "$log" |
        awk '{c += $1; f += $2 + $3} END {print c + 0, f + 0}')
    checks=${counts% *}
    bad=${counts#* }
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
        [ "$checks" -gt 0 ] || checks=1
    fi
    if [ "$status" -eq 0 ] && [ "$checks" -eq 0 ]; then
        echo "no checks ran" >>"$log"
        bad=1
        checks=1
    fi
    passed=$((passed + checks - bad))
    failed=$((failed + bad))
    if [ "$bad" -ne 0 ]; then
        echo "FAIL $program (status $status)"
        sed 's/^/    /' "$log"
    fi
done
[ -z "${CHECK_TALLY:-}" ] || echo "$passed $failed" >>"$CHECK_TALLY"
echo "unit: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
