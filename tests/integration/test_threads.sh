#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Results do not depend on the number of threads: recorded cases trained with
# one and with four threads allowed to the vector library give the same bytes.
BIN=$1
# shellcheck source=tests/lib/shell.sh
. "$(dirname "$0")/../lib/shell.sh"
cases=$root/tests/golden/cases

for n in 1 4; do
    mkdir "$work/$n"
    OPENBLAS_NUM_THREADS=$n OMP_NUM_THREADS=$n
    export OPENBLAS_NUM_THREADS OMP_NUM_THREADS
    check "trains with $n" "$BIN/../tests/keras/train_case" "$cases" "$work/$n" \
        model_mnist_mlp_no_dropout layer_lstm layer_dense_rank3 opt_adam
done
for file in $(cd "$work/1" && find . -name '*.f32' | sort); do
    check "${file#./} is the same" cmp "$work/1/$file" "$work/4/$file"
done
[ "$passed" -ge 14 ]
result $? "all files were compared"
finish
