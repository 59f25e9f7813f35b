#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The manifests with your names in them, on standard output:
#
#   render.sh --image REGISTRY/elephasd:0.1.0 [--namespace elephas]
#     [--executor-image apache/spark:4.0.0] [--storage 10Gi] | kubectl apply -f -
set -eu
image=
namespace=elephas
executor=apache/spark:4.0.0
storage=10Gi
while [ $# -gt 0 ]; do
    case $1 in
    --image | --namespace | --executor-image | --storage)
        [ $# -ge 2 ] || { echo "render.sh: $1 wants a value" >&2; exit 2; }
        ;;
    *) echo "render.sh: unknown option $1" >&2; exit 2 ;;
    esac
    case $2 in
    *[!A-Za-z0-9._/:@-]* | '') echo "render.sh: $1 '$2': a name is wanted" >&2; exit 2 ;;
    esac
    case $1 in
    --image) image=$2 ;;
    --namespace) namespace=$2 ;;
    --executor-image) executor=$2 ;;
    --storage) storage=$2 ;;
    esac
    shift 2
done
[ -n "$image" ] || { echo "render.sh: --image names the image that deploy/container makes" >&2; exit 2; }
here=$(dirname "$0")
sed -e "s|@IMAGE@|$image|g" -e "s|@NAMESPACE@|$namespace|g" \
    -e "s|@EXECUTOR_IMAGE@|$executor|g" -e "s|@STORAGE@|$storage|g" "$here/elephasd.yaml"
