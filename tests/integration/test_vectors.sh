#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The loops over whole vectors of parameters are vector code: their functions
# are looked at in the programs, and must hold arithmetic on packed numbers. A
# loop that the compiler gives up on (a branch in it, a pointer that may be
# another, an object file that is built without -O3) gives the same numbers,
# several times as slowly, and no other test sees it.
BIN=$1
# shellcheck source=tests/lib/shell.sh
. "$(dirname "$0")/../lib/shell.sh"

case $(uname -m)-$BIN in
x86_64-*/gcc/bin) ;;
*)
    echo "skipped: only what gcc makes for x86-64 is looked at"
    finish
    exit
    ;;
esac

packed='v?(add|sub|mul|div|max|min|sqrt|padd|psub|pmul[lh]|pmulu|pcmpgt|pmaxs|pmaxu)(ps|pd|s?[bwdq]) '

# vectors PROGRAM FUNCTION...: each holds packed arithmetic
vectors() {
    objdump -d --no-show-raw-insn "$BIN/$1" |
        awk -v want="$packed" '/^[0-9a-f]+ <.*>:/ { f = $2 } $0 ~ "\t" want { n[f]++ }
            END { for (f in n) print f, n[f] }' >"$work/packed"
    program=$1
    shift
    for function in "$@"; do
        check "$program: $function is vector code" grep -F "<$function>: " "$work/packed"
    done
}

# A function may have several loops, and one is enough here: what is worth it has
# a function of its own.
# pushes are looked through and subtracted, rounds summed up, updates applied
vectors elephasd delta_magnitude.default delta_magnitude.avx2 subtract.default subtract.avx2 \
    add_piece.avx2 training_apply delta_find_diverging codec_decode optimizer_step_pieces
# optimizers, activations, recurrent steps, and updates that are encoded
vectors elephas-worker step update optimizer_step_pieces relu_backward tanh_forward softmax_forward \
    forward_step backward_step encode_halves encode_int8 codec_decode
check "a function without such loops is none" sh -c "! grep -F '<codec_parse>: ' $work/packed"
finish
