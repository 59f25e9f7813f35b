#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Real Keras goes on where this project stopped: every golden case is trained
# and written here, opened by Keras, compared in what it predicts, and trained
# on from the stored optimizer state by both: the same losses and weights.
# Two Keras processes, because one model takes a second to compile.
BIN=$1
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/shell.sh
. "$here/../lib/shell.sh"
python=$root/build/venv-keras/bin/python
cases=$root/tests/golden/cases
train_case=${TRAIN_CASE:-$BIN/../tests/keras/train_case}

mkdir "$work/cases"
check "every case is trained and written" "$train_case" "$cases" "$work/cases"
"$python" "$here/continue_case.py" "$cases" "$work/cases" 0/2 >"$work/first" 2>&1 &
first=$!
"$python" "$here/continue_case.py" "$cases" "$work/cases" 1/2 >"$work/second" 2>&1
result $? "Keras, second half"
wait "$first"
result $? "Keras, first half"
cat "$work/first" "$work/second" >"$work/all"
grep -v '^ok' "$work/all"
failed=$((failed + $(grep -c '^FAILED' "$work/all")))
passed=$((passed + $(grep -c '^ok' "$work/all")))
seen=$(grep -cE '^(ok|FAILED)' "$work/all")
[ "$seen" -eq "$(find "$cases" -mindepth 1 -maxdepth 1 | wc -l)" ]
result $? "every case was looked at ($seen)"
finish
