#!/bin/sh
# SPDX-License-Identifier: MIT
#
# An activation, losses and metrics of one's own, from a plug-in: models that
# use them train, predict and evaluate as Keras' twins in Python, and are
# refused, naming what is missing, where the library is not known. Models, rows
# and Keras' numbers are made by tests/plugin/make_functions.py.
BIN=$1
# shellcheck source=tests/lib/shell.sh
. "$(dirname "$0")/../lib/shell.sh"
here=$root/tests/plugin

mkdir -m 755 "$work/plugins" "$work/elsewhere"
install -m 755 "$BIN/../tests/plugin/functions.so" "$work/plugins/functions.so"
own() { "$@" --custom-objects functions.so --plugin-dirs "$work/plugins"; }
cut -d, -f1-3 "$here/rows.csv" >"$work/x.csv"

# near KERAS OURS TOLERANCE: the numbers of two files, line by line
near() {
    paste -d' ' "$1" "$2" | awk -v tolerance="$3" '{d = $1 - $2; if (d < 0) d = -d; if (!(d <= tolerance)) bad = 1}
        END {exit bad || NR == 0}'
}

daemon_start --plugin-dirs "$work/plugins" --custom-objects functions.so || exit 1
for name in functions classes; do
    check "$name: a job trains" own elephas-submit train --model "$here/$name.keras" --data "$here/rows.csv" \
        --no-header --label 3 --epochs 5 --batch-size 16 --no-shuffle --workers 1 --output "$work/$name.keras"
    own elephas-submit predict --model "$work/$name.keras" --data "$work/x.csv" --no-header \
        --output "$work/ours.csv" >"$work/out" 2>&1
    result $? "$name: a job predicts"
    grep -v ' ' "$here/$name.txt" >"$work/theirs"
    tail -n +2 "$work/ours.csv" >"$work/ours"
    near "$work/theirs" "$work/ours" 2e-5
    result $? "$name: what Keras predicts after five steps"
    own elephas-submit evaluate --json --model "$work/$name.keras" --data "$here/rows.csv" --no-header --label 3 \
        --batch-size 16 --workers 2 >"$work/evaluated" 2>&1
    result $? "$name: a job evaluates"
    grep ' ' "$here/$name.txt" | while read -r key value; do
        echo "$value" >"$work/theirs"
        sed -n "s/.*\"$key\":\\([-0-9.e]*\\).*/\\1/p" "$work/evaluated" | tail -n 1 >"$work/ours"
        near "$work/theirs" "$work/ours" 1e-4 || exit 1
    done
    result $? "$name: Keras' loss and metrics under Keras' names"
done

# what another person's command has to say about it
bare() { elephas-submit train --model "$1" --data "$here/rows.csv" --no-header --label 3 --output "$work/no.keras" --epochs 1; }
expect 2 'custom activation my_package>swoosh .* needs a plug-in .*--custom-objects' "unknown without it" \
    bare "$here/functions.keras"
check "loss and metric are named on the command line" own elephas-submit train --model "$data/diabetes_mlp.keras" \
    --data "$data/diabetes.csv" --label target --epochs 1 --loss 'my_package>quartic' --metrics 'my_package>distance' \
    --output "$work/named.keras"
unknown() {
    elephas-submit train --model "$data/diabetes_mlp.keras" --data "$data/diabetes.csv" --label target --epochs 1 \
        --output "$work/no.keras" "$@"
}
expect 2 'custom loss my_package>other .* needs a plug-in .*--custom-objects' "an unknown loss" \
    unknown --loss 'my_package>other'
expect 2 'custom metric my_package>other .* needs a plug-in .*--custom-objects' "an unknown metric" \
    unknown --metrics 'my_package>other'

# as Spark brings it: in the working directory, named by the environment
install -m 644 "$BIN/../tests/plugin/functions.so" "$work/elsewhere/functions.so"
shipped() (
    cd "$work/elsewhere" || exit 1
    ELEPHAS_SHIPPED_PLUGINS=$1 elephas-worker predict --model "$work/functions.keras" --no-header <"$work/x.csv"
)
shipped functions.so >"$work/ours" 2>"$work/err"
result $? "a worker predicts with what was shipped"
grep -v ' ' "$here/functions.txt" >"$work/theirs"
near "$work/theirs" "$work/ours" 2e-5
result $? "and predicts as Keras does"
expect 2 'give the file name alone' "shipped means here" shipped ../plugins/functions.so
expect 2 'none.so' "what was shipped is not there" shipped none.so
check "elephasd stops" daemon_stop
finish
