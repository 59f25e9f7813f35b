#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Real Keras opens what this project wrote and predicts the same: every golden
# case is trained for an epoch on its own rows, fetched, opened by Keras and
# compared row by row; the prepared models on their data likewise.
BIN=$1
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/shell.sh
. "$here/../lib/shell.sh"
python=$root/build/venv-keras/bin/python
side=$here/keras_side.py

daemon_start || exit 1

# one NAME MODEL CSV TRAIN-OPTIONS...: train, predict, compare with Keras
one() {
    name=$1
    model=$2
    csv=$3
    shift 3
    check "$name: trains" elephas-submit train --model "$model" --data "$csv" \
        --output "$work/$name.keras" --epochs 1 --workers 2 --seed 1 "$@"
    [ -f "$work/$name.keras" ] || return
    check "$name: Keras finds the same configuration" \
        "$python" "$side" same "$model" "$work/$name.keras"
}

# features LABELS SCALE < csv with header: the feature columns, scaled
features() {
    awk -F, -v first="$1" -v scale="$2" 'NR > 1 {
        line = ""
        for (i = first + 1; i <= NF; i++) line = line (i > first + 1 ? "," : "") sprintf("%.9g", $i / scale)
        print line }'
}

one mnist_mlp "$data/mnist_mlp.keras" "$data/mnist5k_test.csv.gz" \
    --label label --scale 255 --nb-classes 10 --batch-size 64
zcat "$data/mnist5k_test.csv.gz" | features 1 255 >"$work/rows.csv"
check "mnist_mlp: predicts" elephas-submit predict --model "$work/mnist_mlp.keras" \
    --data "$work/rows.csv" --output "$work/ours.csv"
check "mnist_mlp: Keras predicts" "$python" "$side" predict "$work/mnist_mlp.keras" "$work/rows.csv" "$work/theirs.csv"
check "mnist_mlp: the same to 1e-5" "$python" "$side" close "$work/ours.csv" "$work/theirs.csv" 1e-5

one diabetes_mlp "$data/diabetes_mlp.keras" "$data/diabetes.csv" --label target
features 1 1 <"$data/diabetes.csv" >"$work/rows.csv"
check "diabetes_mlp: predicts" elephas-submit predict --model "$work/diabetes_mlp.keras" \
    --data "$work/rows.csv" --output "$work/ours.csv"
check "diabetes_mlp: Keras predicts" "$python" "$side" predict "$work/diabetes_mlp.keras" "$work/rows.csv" "$work/theirs.csv"
check "diabetes_mlp: the same to 1e-5" "$python" "$side" close "$work/ours.csv" "$work/theirs.csv" 1e-5

# A golden case of each group through the programs (test_continue.sh has all of
# them, without a daemon): its own rows as CSV, features then labels; Keras
# looks at all results in one process, because it takes seconds to start.
for name in model_mnist_mlp model_two_outputs layer_lstm loss_huber metric_auc opt_adam; do
    case=$root/tests/golden/cases/$name
    mkdir "$work/$name"
    "$python" "$here/case_csv.py" "$case" "$work/$name/rows.csv" >"$work/columns" || {
        result 1 "$name: rows"
        continue
    }
    read -r nx ny <"$work/columns"
    check "$name: trains" elephas-submit train --model "$case/model.keras" --data "$work/$name/rows.csv" --no-header \
        --features "0-$((nx - 1))" --label "$nx-$((nx + ny - 1))" --output "$work/$name/trained.keras" \
        --seed 1 --workers 1 --batch-size 4
    cut -d, -f"1-$nx" "$work/$name/rows.csv" >"$work/$name/x.csv"
    check "$name: predicts" elephas-submit predict --model "$work/$name/trained.keras" \
        --data "$work/$name/x.csv" --no-header --output "$work/$name/ours.csv"
    echo "$work/$name" >>"$work/list"
done
check "Keras opens every trained case" "$python" "$side" many "$work/list" 1e-5
grep '^FAILED' "$work/out"
failed=$((failed + $(grep -c '^FAILED' "$work/out")))
passed=$((passed + $(grep -c '^ok' "$work/out")))
daemon_stop
finish
