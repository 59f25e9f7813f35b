#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What `make demo` runs: demo.sh BINDIR OUTDIR. A private elephasd, the MNIST
# MLP trained for 10 epochs by 2 workers on the sample in tests/data, evaluated,
# and used to predict the test digits. Leaves the trained model in OUTDIR and
# no process.
set -eu
bin=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
data=$root/tests/data
state=$(mktemp -d)
daemon=

stop() {
    if [ -n "$daemon" ]; then
        kill -TERM "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
        daemon=
    fi
    rm -rf "$state"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { printf '\n\033[1m%s\033[0m\n' "$*" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi; }

say "1. A private elephasd"
"$bin/elephasd" --state-dir "$state" --listen 127.0.0.1:0 2>"$state/log" &
daemon=$!
tries=0
until [ -s "$state/address" ]; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 $daemon 2>/dev/null; then
        echo "elephasd does not start:" >&2
        cat "$state/log" >&2
        exit 1
    fi
    sleep 0.1
done
ELEPHAS_SERVER=http://$(cat "$state/address")
ELEPHAS_TOKEN_FILE=$state/token
export ELEPHAS_SERVER ELEPHAS_TOKEN_FILE
echo "answers at $ELEPHAS_SERVER"

say "2. Train the MNIST MLP: 4000 digits, 10 epochs, 2 workers"
"$bin/elephas-submit" train --model "$data/mnist_mlp.keras" --data "$data/mnist5k_train.csv.gz" \
    --label label --scale 255 --nb-classes 10 --epochs 10 --batch-size 64 --workers 2 --seed 1 \
    --output "$out/mnist_trained.keras"

say "3. Evaluate on 1000 digits it has not seen"
"$bin/elephas-submit" evaluate --model "$out/mnist_trained.keras" --data "$data/mnist5k_test.csv.gz" \
    --label label --scale 255 --nb-classes 10 --json | tee "$state/evaluate" | tail -n 1 |
    sed -E 's/.*"metrics": ?\{([^}]*)\}.*/\1/; s/[" ]//g; s/,/\n/g; s/:/ /g' |
    awk '$1 == "acc" {printf "accuracy %.4f\n", $2} $1 == "loss" {printf "loss     %.4f\n", $2}'

say "4. Predict them"
"$bin/elephas-submit" predict --model "$out/mnist_trained.keras" --data "$data/mnist5k_test.csv.gz" \
    --label label --scale 255 --output "$out/mnist_predictions.csv" -q
zcat "$data/mnist5k_test.csv.gz" | cut -d, -f1 | paste -d, - "$out/mnist_predictions.csv" |
    awk -F, 'NR > 1 && NR <= 11 {
        best = 2
        for (i = 3; i <= NF; i++) if ($i > $best) best = i
        printf "row %2d: digit %d, predicted %d (%.1f %%)%s\n", NR - 1, $1, best - 2, 100 * $best, $1 == best - 2 ? "" : "  <- wrong" }'

stop
trap - EXIT
say "Done. No process is left."
echo "trained model:  ${out#"$root"/}/mnist_trained.keras   (keras.models.load_model opens it)"
echo "predictions:    ${out#"$root"/}/mnist_predictions.csv"
