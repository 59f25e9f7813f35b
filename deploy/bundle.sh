#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Packs elephas-worker with the libraries it needs into one archive that runs
# from any directory: bundle.sh WORKER OUT.tar.gz
#
#   bin/elephas-worker      linked with the search path $ORIGIN/../lib
#   lib/*.so.*              all it needs but the C library, which every system
#                           has; of at least the version in the file GLIBC
#   licenses/               of the libraries, where the system has them
set -eu
worker=$1
out=$2
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/bin" "$stage/lib" "$stage/licenses"
install -m 755 "$worker" "$stage/bin/elephas-worker"
strip "$stage/bin/elephas-worker"

# The parts of the C library must all be of one version: they stay out.
ldd "$worker" | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}' |
    grep -Ev '^(libc|libm|libmvec|libpthread|libdl|librt|libresolv|libutil|libanl|ld-linux[^ ]*)\.so' |
    while read -r name path; do
        install -m 644 "$(readlink -f "$path")" "$stage/lib/$name"
        strip --strip-unneeded "$stage/lib/$name"
        package=$(dpkg-query -S "$(readlink -f "$path")" 2>/dev/null | head -n 1 | cut -d: -f1) || package=
        if [ -n "$package" ] && [ -f "/usr/share/doc/$package/copyright" ]; then
            cp "/usr/share/doc/$package/copyright" "$stage/licenses/$package"
        fi
    done
if ldd "$worker" | grep -q 'not found'; then
    echo "bundle.sh: $worker lacks libraries:" >&2
    ldd "$worker" | grep 'not found' >&2
    exit 1
fi

find "$stage/bin" "$stage/lib" -type f -exec objdump -T {} + 2>/dev/null |
    grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1 | sed 's/GLIBC_//' >"$stage/GLIBC"
mkdir -p "$(dirname "$out")"
# the same input gives the same bytes
tar -C "$stage" --sort=name --mtime='2020-01-01 00:00Z' --owner=0 --group=0 --numeric-owner \
    -cf - GLIBC bin lib licenses | gzip -n -6 >"$out.part"
mv "$out.part" "$out"
echo "$out: $(du -h "$out" | cut -f1), needs a C library of at least $(cat "$stage/GLIBC")"
