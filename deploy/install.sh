#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install.sh [--remove] DESTDIR PREFIX: programs, man pages and the service
# unit, in DESTDIR/PREFIX.
set -eu
cd "$(dirname "$0")/.."
remove=
if [ "$1" = --remove ]; then
    remove=1
    shift
fi
prefix=$1$2
seen=$2

# put MODE SOURCE TARGET
put() {
    if [ -n "$remove" ]; then
        rm -f "$prefix/$3"
    else
        install -D -m "$1" "$2" "$prefix/$3"
    fi
}

put 755 build/bin/elephasd bin/elephasd
put 755 build/bin/elephas-submit bin/elephas-submit
put 755 build/bin/elephas-worker bin/elephas-worker
for page in docs/man/*.[18]; do
    [ -f "$page" ] || continue
    put 644 "$page" "share/man/man${page##*.}/$(basename "$page")"
done
# of `make spark bundle`, where they were made
for file in build/gcc/share/elephas/elephas-spark.jar build/gcc/share/elephas/elephas-worker-*.tar.gz; do
    [ -f "$file" ] || continue
    put 644 "$file" "share/elephas/$(basename "$file")"
done
unit=$(mktemp)
trap 'rm -f "$unit"' EXIT
# the prefix as the service will see it, without DESTDIR
sed "s|^ExecStart=/usr/local|ExecStart=$seen|" deploy/systemd/elephasd.service >"$unit"
put 644 "$unit" lib/systemd/system/elephasd.service
put 644 deploy/elephasd.conf share/doc/elephasd/elephasd.conf
put 644 README.md share/doc/elephasd/README.md
put 644 LICENSE share/doc/elephasd/LICENSE
if [ -n "$remove" ]; then
    rm -f "$prefix"/share/elephas/spark-classes-*.jsa
    rmdir "$prefix/share/doc/elephasd" "$prefix/share/elephas" 2>/dev/null || true
    echo "removed from $prefix"
else
    echo "installed in $prefix"
fi
