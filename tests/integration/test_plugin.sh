#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A layer of one's own, from a plug-in: trained by elephasd as Keras trains
# its twin in Python, predicted from the file alone, and refused where the
# library is not known or not to be trusted. The model, the rows and Keras'
# numbers are made by tests/plugin/make_scale.py.
BIN=$1
# shellcheck source=tests/lib/shell.sh
. "$(dirname "$0")/../lib/shell.sh"
here=$root/tests/plugin
model=$here/scale.keras

mkdir -m 755 "$work/plugins" "$work/open" "$work/other"
install -m 755 "$BIN/../tests/plugin/scale.so" "$work/plugins/scale.so"
install -m 755 "$BIN/../tests/plugin/scale.so" "$work/open/scale.so"
chmod 777 "$work/open"
ln -s "$work/plugins/scale.so" "$work/other/scale.so"
echo text >"$work/plugins/text.so"
chmod 755 "$work/plugins/text.so"
cut -d, -f1-3 "$here/rows.csv" >"$work/x.csv"
predict() {
    elephas-worker predict --model "$1" --no-header --custom-objects "$2" --plugin-dirs "$3" <"$work/x.csv"
}
# near OURS KERAS: the same predictions
near() {
    paste -d' ' "$1" "$2" | awk '{d = $1 - $2; if (d < 0) d = -d; if (!(d <= 2e-5)) bad = 1} END {exit bad || NR != 16}'
}

predict "$model" scale.so "$work/plugins" >"$work/ours" 2>"$work/err"
result $? "a worker predicts with the plug-in"
near "$work/ours" "$here/predicted.txt"
result $? "as Keras does"
expect 2 'custom class my_package>Scale .* needs a plug-in .*--custom-objects' "unknown without it" \
    sh -c "elephas-worker predict --model '$model' --no-header <'$work/x.csv'"
refuse() { expect "$1" "$2" "$3" predict "$model" "$4" "$5"; }
refuse 3 'others can write it' "not from a directory that anyone can write" scale.so "$work/open"
refuse 3 'is a link that leaves' "not through a link" scale.so "$work/other"
refuse 2 'give the file name alone' "not by a path" ../plugins/scale.so "$work/other"
refuse 2 'in none of the 1 directories' "not there" none.so "$work/plugins"
refuse 2 'text.so' "no library" text.so "$work/plugins"
refuse 2 'give the whole path' "a relative directory" scale.so "$(realpath --relative-to=. "$work/plugins")"

train() {
    elephas-submit train --model "$model" --data "$here/rows.csv" --no-header --label 3 --epochs 5 \
        --batch-size 16 --no-shuffle --workers 1 --output "$work/out.keras" "$@"
}
daemon_start --plugin-dirs "$work/plugins" --custom-objects scale.so || exit 1
check "a job trains with it" train --custom-objects scale.so --plugin-dirs "$work/plugins"
predict "$work/out.keras" scale.so "$work/plugins" >"$work/ours" 2>"$work/err"
near "$work/ours" "$here/trained.txt"
result $? "as Keras does in five steps"
expect 2 'see --custom-objects' "elephas-submit refuses the model without it" train
check "elephasd stops" daemon_stop
daemon_start || exit 1
expect 2 'my_package>Scale.*--custom-objects' "an elephasd without it refuses the job" \
    train --custom-objects scale.so --plugin-dirs "$work/plugins"
check "elephasd stops again" daemon_stop
finish
