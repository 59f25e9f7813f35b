#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs test scripts: run-scripts.sh LABEL BINDIR SCRIPT... Each script gets the
# directory of the programs as its argument, a temporary directory of its own
# as TMPDIR, and ends with a line "N passed, N failed". What a failing script
# printed is shown. A script that leaves a process with its TMPDIR on the
# command line fails. SCRIPT_JOBS=N: so many scripts at once, begun in the order
# given.
set -u
label=$1
bin=$(cd "$2" && pwd)
shift 2
if [ "${SCRIPT_JOBS:-1}" -gt 1 ]; then
    tally=$(mktemp)
    printf '%s\n' "$@" |
        xargs -P "$SCRIPT_JOBS" -I '{}' env "CHECK_TALLY=$tally" SCRIPT_JOBS=1 "$0" "$label" "$bin" '{}' |
        grep --line-buffered -v "^$label: [0-9]* passed, [0-9]* failed$"
    counts=$(awk '{p += $1; f += $2} END {print p + 0, f + 0}' "$tally")
    rm -f "$tally"
    [ -z "${CHECK_TALLY:-}" ] || echo "$counts" >>"$CHECK_TALLY"
    echo "$label: ${counts% *} passed, ${counts#* } failed"
    [ "${counts#* }" -eq 0 ] && [ "${counts% *}" -gt 0 ]
    exit
fi
passed=0
failed=0
for script in "$@"; do
    tmp=$(mktemp -d)
    log=$tmp/log
    mkdir "$tmp/t"
    began=$(date +%s)
    TMPDIR=$tmp/t timeout -k 10 "${SCRIPT_TIMEOUT:-600}" "$script" "$bin" >"$log" 2>&1 </dev/null
    status=$?
    line=$(grep -E '^([a-z_-]+: )?[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
    p=$(printf '%s' "$line" | sed -E 's/^([a-z_-]+: )?([0-9]+) passed.*/\2/')
    f=$(printf '%s' "$line" | sed -E 's/.* ([0-9]+) failed.*/\1/')
    p=${p:-0}
    f=${f:-0}
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ] || [ -z "$line" ]; then
        f=$((f + 1))
    fi
    left=$(pgrep -f "$tmp/t" || true)
    if [ -n "$left" ]; then
        f=$((f + 1))
        echo "left behind by $script:"
        # shellcheck disable=SC2086 # a list of ids
        ps -o pid,args -p $left
        # shellcheck disable=SC2086
        kill $left 2>/dev/null
    fi
    passed=$((passed + p))
    failed=$((failed + f))
    if [ "$f" -ne 0 ]; then
        echo "FAIL $script (status $status)"
        sed 's/^/    /' "$log"
    else
        echo "  ok $script: $p passed in $(($(date +%s) - began)) s"
    fi
    rm -rf "$tmp"
done
[ -z "${CHECK_TALLY:-}" ] || echo "$passed $failed" >>"$CHECK_TALLY"
echo "$label: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
