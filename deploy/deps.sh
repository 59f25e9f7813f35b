#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs the Debian packages that are missing: deps.sh build | check ...
# Does nothing, without asking the network, when all are there. Needs root or
# sudo for the rest.
set -eu

build='gcc make pkg-config libc6-dev libevent-dev protobuf-c-compiler
  libprotobuf-c-dev protobuf-compiler libopenblas-dev libcurl4-openssl-dev
  libjansson-dev libzip-dev libhdf5-dev libsqlite3-dev libsystemd-dev
  libssl-dev zlib1g-dev'
check='check clang clang-format libclang-rt-14-dev shellcheck python3
  python3-venv curl mandoc procps time'
spark='openjdk-17-jdk-headless maven python3 python3-venv debootstrap binutils'

want=
for set in "$@"; do
    case $set in
    build) want="$want $build" ;;
    check) want="$want $build $check" ;;
    spark) want="$want $build $spark" ;;
    *) echo "deps.sh: unknown set '$set' (build, check, spark)" >&2; exit 2 ;;
    esac
done

missing=
for package in $want; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null |
        grep -q '^install ok installed$' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "deps.sh: these packages are missing; install them as root:$missing" >&2
        exit 1
    }
    sudo=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086 # lists of words
if ! { $sudo apt-get update && $sudo apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "deps.sh: could not install the packages above" >&2
    exit 1
fi
