#!/bin/sh
# SPDX-License-Identifier: MIT
#
# All of `make check`, part by part: check-all.sh PART... A part is the name of
# a make target, with variables behind it in the same word separated by ";".
# A part that fails does not keep the others from running. One that counts
# nothing ("0 0" in the tally) was skipped, and is named. Ends with the plain
# line "N passed, N failed".
set -u
CHECK_TALLY=$(mktemp)
export CHECK_TALLY
trap 'rm -f "$CHECK_TALLY"' EXIT
bad=
skipped=
for part in "$@"; do
    words=$(printf '%s' "$part" | tr ';' ' ')
    before=$(wc -l <"$CHECK_TALLY")
    began=$(date +%s)
    echo "== $words"
    # shellcheck disable=SC2086 # target and variables
    if make --no-print-directory -j"$(nproc)" $words; then
        [ "$(wc -l <"$CHECK_TALLY")" -gt "$before" ] || echo "1 0" >>"$CHECK_TALLY"
        tail -n +"$((before + 1))" "$CHECK_TALLY" | grep -qvx '0 0' || skipped="$skipped
  make $words"
    else
        bad="$bad
  make $words"
        tail -n +"$((before + 1))" "$CHECK_TALLY" | grep -qv ' 0$' || echo "0 1" >>"$CHECK_TALLY"
    fi
    echo "== $words: $(($(date +%s) - began)) s"
done
[ -z "$skipped" ] || echo "skipped parts:$skipped"
[ -z "$bad" ] || echo "failed parts:$bad"
awk '{p += $1; f += $2} END {printf "%d passed, %d failed\n", p, f; exit f > 0}' "$CHECK_TALLY"
