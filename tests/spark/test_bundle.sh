#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The bundle runs where nothing of this project and none of its libraries is
# installed: unpacked in a minimal root made by debootstrap, in a namespace of
# its own, and against no more than the C library. Making that root needs root
# and the package mirror; it is made once and kept under build/.
set -u
BIN=$1
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/lib/shell.sh
. "$here/../lib/shell.sh"
minimal=$root/build/minimal-root
bundle=$(echo "$BIN"/../share/elephas/elephas-worker-*.tar.gz)

sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
if [ ! -f "$minimal/.complete" ]; then
    $sudo rm -rf "$minimal"
    check "a minimal root is made" $sudo debootstrap --variant=minbase bookworm "$minimal" && $sudo touch "$minimal/.complete"
fi
if [ ! -f "$minimal/.complete" ]; then
    finish
    exit 1
fi

inside=$minimal/opt/elephas-test
$sudo rm -rf "$inside"
$sudo mkdir -p "$inside"
check "the bundle unpacks" $sudo tar -C "$inside" -xzf "$bundle"
check "a model and rows are put there" $sudo cp "$data/diabetes_mlp.keras" "$inside/"
tail -n +2 "$data/diabetes.csv" | head -n 50 >"$work/rows"
cut -d, -f2- "$work/rows" >"$work/features"
$sudo cp "$work/features" "$inside/rows.csv"

# /proc is mounted, as in every container: the loader asks it where $ORIGIN is
inroot() {
    $sudo unshare --mount --net --pid --fork --mount-proc="$minimal/proc" \
        chroot "$minimal" /bin/sh -c "cd /opt/elephas-test && $1"
}

# the worker's own libraries must not be there, or the test shows nothing
check "the root has no OpenBLAS, HDF5, libcurl or jansson" inroot \
    '! ls /usr/lib/*/libopenblas* /usr/lib/*/libhdf5* /usr/lib/*/libcurl* /usr/lib/*/libjansson* 2>/dev/null | grep .'
check "the worker runs" inroot './bin/elephas-worker --version'
check "its libraries are the bundle's" inroot \
    'LD_TRACE_LOADED_OBJECTS=1 ./bin/elephas-worker | grep -q "libopenblas.so.0 => /opt/elephas-test/"'
check "no library is missing" inroot '! LD_TRACE_LOADED_OBJECTS=1 ./bin/elephas-worker | grep "not found"'
check "it predicts there" inroot \
    './bin/elephas-worker predict --model diabetes_mlp.keras --no-header <rows.csv >out.csv'
"$BIN/elephas-worker" predict --model "$data/diabetes_mlp.keras" --no-header <"$work/features" >"$work/want"
check "and predicts the same" cmp "$inside/out.csv" "$work/want"
check "it names the C library that it needs" inroot 'grep -Eq "^2\.[0-9]+$" GLIBC'
check "moved elsewhere it runs as well" inroot 'rm -rf /tmp/x && cp -r /opt/elephas-test /tmp/x && cd / && /tmp/x/bin/elephas-worker --version && rm -rf /tmp/x'
$sudo rm -rf "$inside"
finish
