#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Can check_golden fail? selftest.sh PROGRAM CASES: no cases, an empty case, a
# case with one changed number and one with a lost tensor must each be refused,
# and named where there is a name.
set -eu
program=$1
cases=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset CHECK_TALLY

refused() { # WHAT TEXT DIR: the program fails on DIR and says TEXT
    if out=$("$program" "$3" 2>&1); then
        echo "check_golden accepts $1: $out"
        exit 1
    fi
    case $out in
    *"$2"*) ;;
    *)
        echo "check_golden on $1 says: $out"
        exit 1
        ;;
    esac
}

mkdir "$dir/none" "$dir/hollow" "$dir/hollow/opt_sgd" "$dir/changed" "$dir/lost"
refused "no cases" "no cases" "$dir/none"
refused "an empty case" "FAIL opt_sgd" "$dir/hollow"
cp -R "$cases/opt_sgd" "$dir/changed"
# the first number of the last tensor of weights
offset=$(sed -n 's/.*"weight_after.3".*"offset": \([0-9]*\).*/\1/p' "$cases/opt_sgd/case.json")
printf '\100' | dd of="$dir/changed/opt_sgd/data.bin" bs=1 seek="$((offset + 3))" conv=notrunc status=none
refused "a changed number" "weight_after.3[0]: got" "$dir/changed"
cp -R "$cases/opt_sgd" "$dir/lost"
sed -i '/"name": "predict_after.0"/d' "$dir/lost/opt_sgd/case.json"
refused "a lost tensor" "predict_after: 1 outputs, want 0" "$dir/lost"
